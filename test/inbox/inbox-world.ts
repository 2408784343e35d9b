import { openInbox } from "../../src/inbox/inbox-store.ts";
import { DEFAULT_POLICY, type Policy } from "../../src/jobs/job.ts";
import type { EndStatus, RunEnded, RunResult } from "../../src/jobs/run.ts";
import { openJobStore } from "../../src/store/job-store.ts";
import { openRunQueue } from "../../src/store/open-run-queue.ts";
import { openRunStore } from "../../src/store/run-store.ts";
import { ALL_KINDS, type Backend, newJob, START, worker } from "../world.ts";

export const DAY = 86_400_000;
const RETENTION = { days: 30, items: 5 };

export const end = (status: EndStatus, change: Partial<RunResult> = {}): RunResult => ({
  status,
  output: status === "succeeded" ? "It rained." : null,
  error: status === "succeeded" ? null : { code: "TOOL_FAILED", message: "The printer is on fire." },
  transcript: [],
  usage: { input_tokens: 0, output_tokens: 0 },
  ...change,
});

export const say = (output: string) => end("succeeded", { output });

/** Alice's jobs, runs and inbox, and a scheduler whose inboxes hold five items. */
export function openInboxWorld({ db, clock }: Backend) {
  const jobs = openJobStore(db, { userKey: "a", userId: "alice", now: clock });
  const runs = openRunStore(db, { userKey: "a", now: clock });
  const inbox = openInbox(db, { userKey: "a", now: clock });
  const told: RunEnded[] = [];
  const runQueue = openRunQueue(db, { retention: RETENTION, onInboxAdded: (one) => told.push(one) });
  /** Runs by hand alone: nothing is due within a year. */
  const add = (policy: Partial<Policy> = {}, name: string | null = null) =>
    jobs.create(newJob({ name, nextRunAt: START + 365 * DAY, policy: { ...DEFAULT_POLICY, ...policy } }));
  const claim = async () => {
    const options = { now: clock(), limit: 1, filter: { kinds: ALL_KINDS }, worker: worker("w1") };
    const [claimed] = await runQueue.claimDue({ ...options, leaseMs: 3_600_000 });
    if (!claimed) throw new Error("there is nothing to claim");
    return claimed.run.runId;
  };
  /** A run of the job, by hand and to its end. */
  const runOnce = async (jobId: string, outcome: RunResult) => {
    await runs.enqueue(jobId);
    const runId = await claim();
    if (!(await runQueue.finish(runId, outcome, clock()))) throw new Error("it had ended");
    return runId;
  };
  const texts = async (options = {}) => (await inbox.list(options)).items.map(({ output }) => output);
  return { jobs, runs, inbox, runQueue, told, add, claim, runOnce, texts };
}

export type InboxWorld = ReturnType<typeof openInboxWorld>;

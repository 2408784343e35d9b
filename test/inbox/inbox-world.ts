import { DEFAULT_POLICY, type Policy } from "../../src/jobs/job.ts";
import type { EndStatus, RunEnded, RunResult } from "../../src/jobs/run.ts";
import { type Backend, newJob, openWorld, resultOf, START } from "../world.ts";

export const DAY = 86_400_000;
const RETENTION = { days: 30, items: 5 };

export const end = (status: EndStatus, change: Partial<RunResult> = {}): RunResult =>
  resultOf(status, {
    output: status === "succeeded" ? "It rained." : null,
    error: status === "succeeded" ? null : { code: "TOOL_FAILED", message: "The printer is on fire." },
    ...change,
  });

export const say = (output: string) => end("succeeded", { output });

/** Alice's jobs, runs and inbox, in a world whose inboxes hold five items. */
export async function openInboxWorld(backend: Backend) {
  const told: RunEnded[] = [];
  const world = await openWorld(backend, { retention: RETENTION, onInboxAdded: (one) => told.push(one) });
  const { jobs, runs, inbox } = world.user("a", { userId: "alice" });
  /** Adds a job that only runs by hand: it is not due within a year. */
  const add = (policy: Partial<Policy> = {}, name: string | null = null) =>
    jobs.create(newJob({ name, nextRunAt: START + 365 * DAY, policy: { ...DEFAULT_POLICY, ...policy } }));
  const claimRun = async () => {
    const [claimed] = await world.claim({ limit: 1, leaseMs: 3_600_000 });
    if (!claimed) throw new Error("there is nothing to claim");
    return claimed.run.runId;
  };
  /** Runs the job by hand, to its end. */
  const runOnce = async (jobId: string, result: RunResult) => {
    await runs.enqueue(jobId);
    const runId = await claimRun();
    if (!(await world.finish(runId, result))) throw new Error("it had ended");
    return runId;
  };
  const texts = async (options = {}) => (await inbox.list(options)).items.map(({ output }) => output);
  return { ...world, jobs, runs, inbox, told, add, claimRun, runOnce, texts };
}

export type InboxWorld = Awaited<ReturnType<typeof openInboxWorld>>;

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { retry } from "../async.ts";
import { type Job, keepsJournal } from "../jobs/job.ts";
import type { Claimed } from "../store/run-queue.ts";
import { type GhostDeps, notifyListeners } from "./deps.ts";
import { openRunJournal, type RunJournal } from "./journal.ts";
import { MAX_PREVIOUS_CHARS, shorten } from "./protocol/messages.ts";

/** What a run was begun with. It goes on with that, whatever became of its job since. */
interface Beginning extends Pick<Job, "action" | "limits" | "tools"> {
  readonly previousOutput: string | null;
  /** Of a code job. */
  readonly codeHash: string | null;
}

const BEGINNING = "beginning";
const CODE_CHANGED = "The job's code was changed since this run began; it goes on with the new code.";

/** The journal of a run that begins or goes on, and the job as it was when the run began. */
export async function openJournal(
  claimed: Claimed,
  deps: GhostDeps,
): Promise<{ claimed: Claimed; journal: RunJournal; previousOutput: string | null }> {
  const { run, job } = claimed;
  const store = deps.runQueue.openJournal(run, keepsJournal(job));
  const entries = run.workedMs > 0 ? await retry(() => store.read(), {}) : [];
  const journal = openRunJournal({
    store,
    entries,
    usage: run.usage,
    workedMs: run.workedMs,
    now: deps.now,
    onFailure: (error) =>
      deps.log.error({ err: error, run_id: run.runId }, "what a run did could not be written"),
    onStep: (step) => notifyListeners(deps, (listener) => listener.onStep?.(claimed, step)),
  });
  const known = journal.find(BEGINNING)?.value as Beginning | undefined;
  const codeHash = await hashOfCode(job, deps);
  if (known) {
    if (known.codeHash !== codeHash) journal.noteOnce(CODE_CHANGED, codeHash ?? "");
    const { action, limits, previousOutput } = known;
    const before = { ...job, action, limits, tools: stillAllowed(known.tools, job.tools) };
    return { claimed: { run, job: before }, journal, previousOutput };
  }
  const previousOutput = await previousOutputOf(job, deps);
  const { action, limits, tools } = job;
  const beginning: Beginning = { action, limits, tools, previousOutput, codeHash };
  journal.finish(BEGINNING, { value: beginning });
  return { claimed, journal, previousOutput };
}

/** The tools that the run had when it began, without those that its job has lost since. */
const stillAllowed = (before: Job["tools"], now: Job["tools"]): Job["tools"] =>
  before && now ? before.filter((tool) => now.includes(tool)) : now;

async function hashOfCode({ action }: Job, { jobsDir }: GhostDeps): Promise<string | null> {
  if (action.kind !== "code" || !jobsDir) return null;
  // A file that is missing fails the run later, with its name.
  const code = await readFile(resolve(jobsDir, action.file)).catch(() => "");
  return createHash("sha256").update(code).digest("base64url");
}

/** Runs that are looked at for one that was not silent. */
const MAX_LOOKS_BACK = 20;

/**
 * The output of this job's last run that succeeded and was not silent. A job that runs after another gets the output of
 * the other's last run that succeeded, or none if that was silent.
 */
async function previousOutputOf(job: Job, deps: GhostDeps): Promise<string | null> {
  const { userKey, provision, schedule } = job;
  if (!provision.previousOutput) return null;
  const isAfter = schedule.kind === "after";
  const filter = { jobId: isAfter ? schedule.jobId : job.jobId, status: "succeeded", limit: 1 } as const;
  const runs = deps.openRuns(userKey);
  // One at a time: mostly the last run is the one, and outputs may be long.
  let page = await runs.list(filter);
  for (let looks = 1; ; looks++) {
    const [run] = page.runs;
    if (run && run.output !== null && !run.silent) return shorten(run.output, MAX_PREVIOUS_CHARS);
    if (!page.nextCursor || isAfter || looks === MAX_LOOKS_BACK) return null;
    page = await runs.list({ ...filter, cursor: page.nextCursor });
  }
}

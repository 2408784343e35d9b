import type { RunRow } from "../database/schema.ts";
import type { Notice } from "../inbox/add-item.ts";
import type { Job } from "../jobs/job.ts";
import type { RunResult } from "../jobs/run.ts";

/** To the owner of the first run that met an outage. */
export const AWAY: Notice = {
  kind: "warning",
  note: "The model's provider is away. Prompts wait until it answers again, this one too, and then run; no failure is counted.",
};

/**
 * True when a run that met an outage may be made anew once it is over: it has done nothing yet, nobody waits for its
 * end, and it is not older than its job's catch-up allows.
 */
export const isDeferrable = (run: RunRow, job: Job, { transcript }: RunResult, now: number): boolean =>
  run.triggered_by !== "manual" &&
  job.action.kind === "prompt" &&
  transcript.every(({ type }) => type === "note") &&
  now - run.scheduled_for < job.policy.catchupWindowSeconds * 1_000;

import { missingTool } from "../jobs/job.ts";
import { tryReadJob } from "./job-rows.ts";
import type { LeftJobs } from "./run-queue.ts";

/** The job may have been changed by then, to one that can be run here. */
export const LOOK_AGAIN_MS = 3_000;
const MAX_LEFT = 1_000;

export interface LeftJobsOptions {
  /** True for the tools that ghosts can have in this process. */
  readonly offers: (tool: string) => boolean;
  readonly now: () => number;
  /** Called when a job is left for the first time. */
  readonly onLeft?: (jobId: string, tool: string) => void;
}

export function createLeftJobs({ offers, now, onLeft }: LeftJobsOptions): LeftJobs {
  /** By job id, when to look again; the earliest first. */
  const lookAt = new Map<string, number>();
  const told = new Set<string>();
  const dropOldest = (entries: Map<string, number> | Set<string>) => {
    const [oldest] = entries.keys();
    if (entries.size > MAX_LEFT && oldest !== undefined) entries.delete(oldest);
  };
  return {
    leaves(row) {
      const job = tryReadJob(row);
      const tool = job && missingTool(job, offers);
      if (!tool) return false;
      lookAt.delete(row.job_id);
      lookAt.set(row.job_id, now() + LOOK_AGAIN_MS);
      dropOldest(lookAt);
      if (!told.has(row.job_id)) onLeft?.(row.job_id, tool);
      told.add(row.job_id);
      dropOldest(told);
      return true;
    },
    ids() {
      for (const [jobId, at] of lookAt) if (at <= now()) lookAt.delete(jobId);
      return [...lookAt.keys()];
    },
    nextLookAt() {
      const [first] = lookAt.values();
      return first ?? null;
    },
  };
}

import type { FolderJob } from "./contracts.ts";

/** A longer chain is a mistake, or an attack on whoever walks it. */
export const MAX_CHAIN = 100;

/** The file that this one runs after. */
export const dependencyOf = ({ job: { schedule } }: FolderJob): string | undefined =>
  schedule.kind === "after" ? schedule.jobId : undefined;

/**
 * Files that run after what never comes, each with a sentence that says why: a file that is not there or is itself left
 * out, or a circle. A file behind one of those is left out, too, and says after what.
 */
export function findBrokenChains(
  jobs: readonly FolderJob[],
  leftOut: readonly string[],
): ReadonlyMap<string, string> {
  const byFile = new Map(jobs.map((job) => [job.file, job]));
  const broken = new Map<string, string>();
  for (const job of jobs) {
    const problem = problemOf(job, byFile, leftOut);
    if (problem) broken.set(job.file, problem);
  }
  return broken;
}

function problemOf(
  job: FolderJob,
  byFile: ReadonlyMap<string, FolderJob>,
  leftOut: readonly string[],
): string | undefined {
  let from = job;
  for (let length = 1; ; length++) {
    const file = dependencyOf(from);
    if (file === undefined) return undefined;
    const next = byFile.get(file);
    if (!next)
      return length === 1 && !leftOut.includes(file)
        ? `there is no file ${file} in this folder; name another job file of it`
        : `${dependencyOf(job)}, which it runs after, is left out itself`;
    if (next === job || length > MAX_CHAIN)
      return `these files would run after each other in a circle, or in a chain of more than ${MAX_CHAIN}`;
    from = next;
  }
}

/** The same jobs, each later than the one it runs after. */
export function dependenciesFirst(jobs: readonly FolderJob[]): readonly FolderJob[] {
  const byFile = new Map(jobs.map((job) => [job.file, job]));
  const ordered = new Set<FolderJob>();
  const add = (job: FolderJob) => {
    const dependency = byFile.get(dependencyOf(job) ?? "");
    if (dependency && !ordered.has(dependency)) add(dependency);
    ordered.add(job);
  };
  for (const job of jobs) add(job);
  return [...ordered];
}

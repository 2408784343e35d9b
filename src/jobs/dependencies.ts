import type { FolderJob } from "./contracts.ts";

/** Most jobs in a chain; a longer one is a mistake, or meant to make the server work. */
export const MAX_CHAIN = 100;

/** The file that a job runs after; undefined when it has a time of its own. */
const dependencyOf = ({ job: { schedule } }: FolderJob): string | undefined =>
  schedule.kind === "after" ? schedule.jobId.normalize() : undefined;

/** By name, in one form of Unicode: a disk may keep the letters of a name apart from their accents. */
const indexByFile = (jobs: readonly FolderJob[]): ReadonlyMap<string, FolderJob> =>
  new Map(jobs.map((job) => [job.file.normalize(), job]));

/**
 * The files that could never run, each with a sentence that says why: the file that it runs after is missing or left
 * out, or they run after each other in a circle. A file that runs after one of these is left out, too.
 */
export function findBrokenChains(
  jobs: readonly FolderJob[],
  leftOut: readonly string[],
): ReadonlyMap<string, string> {
  const byFile = indexByFile(jobs);
  const left = new Set(leftOut.map((file) => file.normalize()));
  const broken = new Map<string, string>();
  for (const job of jobs) {
    const problem = chainProblemOf(job, byFile, left);
    if (problem) broken.set(job.file, problem);
  }
  return broken;
}

function chainProblemOf(
  job: FolderJob,
  byFile: ReadonlyMap<string, FolderJob>,
  leftOut: ReadonlySet<string>,
): string | undefined {
  let from = job;
  for (let length = 1; ; length++) {
    const file = dependencyOf(from);
    if (file === undefined) return undefined;
    const next = byFile.get(file);
    if (!next)
      return length === 1 && !leftOut.has(file)
        ? `there is no file ${file} in this folder; name another job file of it`
        : `${dependencyOf(job)}, which it runs after, is left out itself`;
    if (next === job || length > MAX_CHAIN)
      return `these files would run after each other in a circle, or in a chain of more than ${MAX_CHAIN}`;
    from = next;
  }
}

/** The same jobs, in an order where each comes later than the one that it runs after, whose file it names exactly. */
export function dependenciesFirst(jobs: readonly FolderJob[]): readonly FolderJob[] {
  const byFile = indexByFile(jobs);
  const ordered = new Set<FolderJob>();
  const add = (job: FolderJob) => {
    const dependency = byFile.get(dependencyOf(job) ?? "");
    if (dependency && !ordered.has(dependency)) add(dependency);
    ordered.add(job);
  };
  for (const job of jobs) add(job);
  return [...ordered].map((job) => {
    const dependency = byFile.get(dependencyOf(job) ?? "");
    if (!dependency) return job;
    return { ...job, job: { ...job.job, schedule: { kind: "after", jobId: dependency.file } } };
  });
}

import { NightshiftError } from "../errors.ts";
import type { JobStore, RunStore } from "../jobs/contracts.ts";
import { cutText } from "../jobs/cut-text.ts";
import type { Job } from "../jobs/job.ts";
import type { Run } from "../jobs/run.ts";
import type { Services } from "./services.ts";

const MOST_CANDIDATES = 5;

const describeJob = ({ jobId, name, status }: Job): string =>
  `${jobId}${name === null ? "" : ` "${cutText(name, 40)}"`}${status === "active" ? "" : ` (${status})`}`;

/**
 * Works with the user's job that `given` names: by its id, a beginning of its id that no other has, or its name. Among
 * several of one name the one that may still run is meant. Rejects with JOB_NOT_FOUND, and INVALID_ARGUMENTS for what
 * names several, with the candidates. Somebody else's id takes the same queries as any other text.
 */
export async function withJob<T>(
  given: string,
  { jobs }: Services,
  work: (id: string) => Promise<T>,
): Promise<T> {
  const word = given.trim();
  try {
    return await work(word);
  } catch (error) {
    // Without access to jobs nothing but an id names one.
    if (!jobs || !isCode(error, "JOB_NOT_FOUND")) throw error;
    return work(await findJob(word, jobs));
  }
}

/** The id of the user's job that `given` names; as `withJob`. A ghost gives ids. */
export const findJobId = async (given: string, services: Services): Promise<string> => {
  const { jobs } = services;
  return jobs ? withJob(given, services, async (id) => (await jobs.get(id)).jobId) : given;
};

async function findJob(word: string, jobs: JobStore): Promise<string> {
  const named = await jobs.list({ name: word, limit: MOST_CANDIDATES + 1 });
  const idStart = idStartOf(word, "job");
  const begun = idStart === undefined ? undefined : await jobs.list({ idStart, limit: MOST_CANDIDATES + 1 });
  const found = [...named.jobs, ...(begun?.jobs ?? [])];
  const open = found.filter(({ status }) => status === "active" || status === "paused");
  const meant = found.length > 1 && open.length > 0 ? open : found;
  if (meant.length === 1 && meant[0]) return meant[0].jobId;
  if (meant.length > 1) throw ambiguous(word, "jobs", meant.map(describeJob));
  const { jobs: newest } = await jobs.list({ limit: MOST_CANDIDATES });
  throw notFound("JOB_NOT_FOUND", "job", newest.map(describeJob));
}

/** Works with the user's run that `given` names: by its id, a beginning of it, or `last` for the newest; as `withJob`. */
export async function withRun<T>(
  given: string,
  { runs, jobs }: Services,
  work: (id: string) => Promise<T>,
): Promise<T> {
  const word = given.trim();
  try {
    return await work(word);
  } catch (error) {
    // A ghost has no jobs, and names its runs by their ids.
    if (!runs || !jobs || !isCode(error, "RUN_NOT_FOUND")) throw error;
    return work(await findRun(word, runs));
  }
}

async function findRun(word: string, runs: Pick<RunStore, "list">): Promise<string> {
  const idStart = idStartOf(word, "run");
  const newest = (await runs.list({ limit: MOST_CANDIDATES })).runs;
  const begun = idStart === undefined ? [] : (await runs.list({ idStart, limit: MOST_CANDIDATES + 1 })).runs;
  const found = word.toLowerCase() === "last" ? newest.slice(0, 1) : begun;
  const [first] = found;
  if (found.length === 1 && first) return first.runId;
  if (found.length > 1) throw ambiguous(word, "runs", found.map(describeRun));
  throw notFound("RUN_NOT_FOUND", "run", newest.map(describeRun));
}

const isCode = (error: unknown, code: string): boolean =>
  error instanceof NightshiftError && error.code === code;

/** `given` as the beginning of an id; undefined for what cannot be one, and for a whole id with its prefix. */
function idStartOf(given: string, kind: "job" | "run"): string | undefined {
  const word = given.toLowerCase();
  if (/^[0-9a-f]{4,35}$/.test(word)) return `${kind}_${word}`;
  return new RegExp(`^${kind}_[0-9a-f]{4,34}$`).test(word) ? word : undefined;
}

const ambiguous = (given: string, what: string, found: readonly string[]): NightshiftError => {
  const more = found.length > MOST_CANDIDATES ? ", and more" : "";
  return new NightshiftError(
    "INVALID_ARGUMENTS",
    `"${cutText(given, 60)}" names several ${what}: ${found.slice(0, MOST_CANDIDATES).join(", ")}${more}. Give one of these ids.`,
  );
};

const describeRun = (run: Pick<Run, "runId" | "jobId" | "status">): string =>
  `${run.runId} of ${run.jobId}, ${run.status}`;

const notFound = (code: "JOB_NOT_FOUND" | "RUN_NOT_FOUND", what: string, newest: readonly string[]) =>
  new NightshiftError(
    code,
    `You have no ${what} with this id; list_${what}s shows those you have.${newest.length > 0 ? ` The newest: ${newest.join(", ")}.` : ""}`,
  );

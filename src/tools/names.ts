import { NightshiftError } from "../errors.ts";
import type { JobStore, RunStore } from "../jobs/contracts.ts";
import { cutText } from "../jobs/cut-text.ts";
import type { Job } from "../jobs/job.ts";
import type { Run } from "../jobs/run.ts";
import type { Services } from "./services.ts";

/** The form of a whole id. What has it is taken as it is: the store says whether there is one. */
const WHOLE_ID = /^(?:job|run)_[0-9a-f]{35,}$/;
/** Fewer characters of an id name too much: its first twelve are the time at which it was made. */
const LEAST_ID_CHARS = 4;
const MOST_CANDIDATES = 5;

const describeJob = ({ jobId, name, status }: Job): string =>
  `${jobId}${name === null ? "" : ` "${cutText(name, 40)}"`}${status === "active" ? "" : ` (${status})`}`;

/**
 * The id of the user's job that `given` names: by its id, a beginning of its id that no other has, or its name. Among
 * several of one name the one that may still run is meant. Rejects with JOB_NOT_FOUND, and INVALID_ARGUMENTS for what
 * names several, with the candidates. Without access to jobs it is taken as an id.
 */
export async function findJobId(given: string, { jobs }: Services): Promise<string> {
  const word = given.trim();
  if (WHOLE_ID.test(word) || !jobs) return word;
  const named = await jobs.list({ name: word, limit: MOST_CANDIDATES + 1 });
  const idStart = idStartOf(word, "job");
  const begun = idStart === undefined ? undefined : await jobs.list({ idStart, limit: MOST_CANDIDATES + 1 });
  const found = [...named.jobs, ...(begun?.jobs ?? [])];
  const open = found.filter(({ status }) => status === "active" || status === "paused");
  const meant = found.length > 1 && open.length > 0 ? open : found;
  if (meant.length === 1 && meant[0]) return meant[0].jobId;
  if (meant.length > 1) throw ambiguous(word, "jobs", meant.map(describeJob));
  throw await jobNotFound(jobs);
}

/** Works with the job that `given` names. An id that there is not fails as a name does. */
export async function withJob<T>(
  given: string,
  services: Services,
  work: (id: string) => Promise<T>,
): Promise<T> {
  const id = await findJobId(given, services);
  try {
    return await work(id);
  } catch (error) {
    if (!services.jobs || !isCode(error, "JOB_NOT_FOUND")) throw error;
    throw await jobNotFound(services.jobs);
  }
}

/**
 * The id of the user's run that `given` names: by its id, a beginning of its id that no other has, or `last` for the
 * newest. Rejects with RUN_NOT_FOUND, and INVALID_ARGUMENTS for what names several, with the candidates.
 */
async function findRunId(given: string, { runs, jobs }: Services): Promise<string> {
  const word = given.trim();
  // A ghost has no jobs, and names its runs by their ids.
  if (WHOLE_ID.test(word) || !runs || !jobs) return word;
  const idStart = idStartOf(word, "run");
  const isLast = word.toLowerCase() === "last";
  const found =
    idStart === undefined && !isLast
      ? []
      : (await runs.list({ limit: isLast ? 1 : MOST_CANDIDATES + 1, ...(idStart && !isLast && { idStart }) }))
          .runs;
  const [first] = found;
  if (found.length === 1 && first) return first.runId;
  if (found.length > 1) throw ambiguous(word, "runs", found.map(describeRun));
  throw await runNotFound(runs);
}

/** Works with the run that `given` names. An id that there is not fails as another name does. */
export async function withRun<T>(
  given: string,
  services: Services,
  work: (id: string) => Promise<T>,
): Promise<T> {
  const id = await findRunId(given, services);
  try {
    return await work(id);
  } catch (error) {
    if (!services.runs || !services.jobs || !isCode(error, "RUN_NOT_FOUND")) throw error;
    throw await runNotFound(services.runs);
  }
}

const isCode = (error: unknown, code: string): boolean =>
  error instanceof NightshiftError && error.code === code;

/** `given` as the beginning of an id, with or without its prefix; undefined for what cannot be one. */
function idStartOf(given: string, kind: "job" | "run"): string | undefined {
  const start = given.toLowerCase().replace(new RegExp(`^${kind}_`), "");
  return new RegExp(`^[0-9a-f]{${LEAST_ID_CHARS},40}$`).test(start) ? `${kind}_${start}` : undefined;
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

async function jobNotFound(jobs: Pick<JobStore, "list">): Promise<NightshiftError> {
  const { jobs: newest } = await jobs.list({ limit: MOST_CANDIDATES });
  return notFound("JOB_NOT_FOUND", "job", newest.map(describeJob));
}

async function runNotFound(runs: Pick<RunStore, "list">): Promise<NightshiftError> {
  const { runs: newest } = await runs.list({ limit: MOST_CANDIDATES });
  return notFound("RUN_NOT_FOUND", "run", newest.map(describeRun));
}

const notFound = (code: "JOB_NOT_FOUND" | "RUN_NOT_FOUND", what: string, newest: readonly string[]) =>
  new NightshiftError(
    code,
    `You have no ${what} with this id; list_${what}s shows those you have.${newest.length > 0 ? ` The newest: ${newest.join(", ")}.` : ""}`,
  );

import { setTimeout as wait } from "node:timers/promises";
import type { Transaction } from "kysely";
import type { Database } from "../database/database.ts";
import { idsBefore } from "../database/ids.ts";
import type { RunRow, Tables } from "../database/schema.ts";
import { DAY_MS } from "../jobs/time.ts";
import type { Log } from "../log.ts";
import { deleteEndedJobs, deleteOldUsage, isOver } from "./job-retention.ts";

/** How many ended runs are kept, and for how long; 0 keeps all. */
export interface Keep {
  /** Jobs that have ended are kept as long. */
  readonly keepRunsDays: number;
  /** The newest runs of each job. */
  readonly keepRunsPerJob: number;
  readonly keepTranscriptsDays: number;
}

/** Rows that were deleted. */
export interface Forgotten {
  runs: number;
  transcripts: number;
  jobs: number;
}

/** Rows deleted in one transaction, which keeps other writers waiting for a few ms. */
const DELETE_BATCH = 200;
/** Jobs whose runs are counted in one statement. */
const JOBS_AT_ONCE = 50;
/** Pause between two steps, so that other writers come first. */
const PAUSE_MS = 20;

/**
 * Deletes old runs, transcripts, ended jobs and counts of past days of all users, so no connection ever gets it. Works in small steps with pauses;
 * `signal` stops it between two. Resolves to the numbers of deleted rows.
 *
 * No occurrence runs again because its row is gone. The row's (job_id, occurrence) tells that an occurrence was handled;
 * before a row is deleted, its occurrence is written to the job's `forgotten_until`, up to which nothing is claimed or
 * backfilled any more. And no occurrence that is still to run is lost: a row is deleted only if its occurrence has
 * passed and is before the job's next time, where catching up begins.
 */
export async function forgetOldRuns(
  db: Database,
  keep: Keep,
  now: number,
  signal?: AbortSignal,
): Promise<Forgotten> {
  const forgotten: Forgotten = { runs: 0, transcripts: 0, jobs: 0 };
  const pause = () => wait(PAUSE_MS, undefined, { ref: false, ...(signal && { signal }) });
  const { keepTranscriptsDays, keepRunsDays, keepRunsPerJob } = keep;
  const endedBefore = keepRunsDays > 0 ? now - keepRunsDays * DAY_MS : Number.NEGATIVE_INFINITY;
  const sweep: Sweep = { db, now, endedBefore, forgotten, pause };
  if (keepTranscriptsDays > 0)
    await inSteps<string>(pause, (after) => deleteTranscripts(sweep, keepTranscriptsDays, after));
  if (keepRunsDays > 0) await inSteps<Position>(pause, (after) => deleteOldRuns(sweep, after));
  if (keepRunsPerJob > 0)
    await inSteps<string>(pause, (after) => deleteSurplus(sweep, keepRunsPerJob, after));
  const onDeleted = (jobs: number) => {
    forgotten.jobs += jobs;
  };
  if (keepRunsDays > 0)
    await inSteps<string>(pause, (after) => deleteEndedJobs(db, endedBefore, onDeleted, after));
  await inSteps<string>(pause, (after) => deleteOldUsage(db, now, after));
  return forgotten;
}

interface Sweep {
  readonly db: Database;
  readonly now: number;
  /** Runs and jobs that ended before are deleted. */
  readonly endedBefore: number;
  readonly forgotten: Forgotten;
  readonly pause: () => Promise<unknown>;
}

/** Repeats `step`, each time after the position that the last one reached, until one resolves to undefined. */
async function inSteps<Reached>(
  pause: () => Promise<unknown>,
  step: (after: Reached | undefined) => Promise<Reached | undefined>,
): Promise<void> {
  for (let after = await step(undefined); after !== undefined; after = await step(after)) await pause();
}

/** The last of `rows`, after which the next step goes on; undefined when there were fewer than the limit. */
const reached = <Row>(rows: readonly Row[], limit: number): Row | undefined =>
  rows.length === limit ? rows.at(-1) : undefined;

// Rows are selected outside of the transactions: ended runs change no more, and usually there are none to delete.
async function deleteTranscripts(sweep: Sweep, days: number, after = ""): Promise<string | undefined> {
  const before = sweep.now - days * DAY_MS;
  const rows = await sweep.db.kysely
    .selectFrom("transcripts")
    .innerJoin("runs", "runs.run_id", "transcripts.run_id")
    .select("transcripts.run_id")
    .where("transcripts.run_id", ">", after)
    // A run id contains the time at which the run was made, so the index rules out newer runs.
    .where("transcripts.run_id", "<", idsBefore("run", before))
    .where("runs.finished_at", "<", before)
    .orderBy("transcripts.run_id")
    .limit(DELETE_BATCH)
    .execute();
  if (rows.length === 0) return undefined;
  const ids = rows.map(({ run_id }) => run_id);
  await sweep.db.transact((trx) => trx.deleteFrom("transcripts").where("run_id", "in", ids).execute(), {
    of: null,
  });
  sweep.forgotten.transcripts += ids.length;
  return reached(ids, DELETE_BATCH);
}

type EndedRow = Pick<RunRow, "run_id" | "job_id" | "user_key" | "occurrence" | "finished_at">;
type Position = Pick<EndedRow, "run_id" | "finished_at">;
const ENDED_COLUMNS = ["run_id", "job_id", "user_key", "occurrence", "finished_at"] as const;

async function deleteOldRuns(sweep: Sweep, after?: Position): Promise<Position | undefined> {
  let ended = sweep.db.kysely
    .selectFrom("runs")
    .select(ENDED_COLUMNS)
    .where("finished_at", "<", sweep.endedBefore);
  if (after)
    ended = ended
      .where("finished_at", ">=", after.finished_at)
      .where((eb) => eb.or([eb("finished_at", ">", after.finished_at), eb("run_id", ">", after.run_id)]));
  const rows = await ended.orderBy("finished_at").orderBy("run_id").limit(DELETE_BATCH).execute();
  await deleteRuns(sweep, rows);
  return reached(rows, DELETE_BATCH);
}

/** Looks at the next jobs by id, and deletes the runs of each beyond its newest `kept`. */
async function deleteSurplus(sweep: Sweep, kept: number, after = ""): Promise<string | undefined> {
  const jobs = await sweep.db.kysely
    .selectFrom("jobs")
    .select((eb) => [
      "job_id",
      "user_key",
      eb
        .selectFrom("runs")
        .select("runs.run_id")
        .whereRef("runs.user_key", "=", "jobs.user_key")
        .whereRef("runs.job_id", "=", "jobs.job_id")
        .orderBy("runs.run_id", "desc")
        .offset(kept)
        .limit(1)
        .as("surplus"),
    ])
    .where("job_id", ">", after)
    .orderBy("job_id")
    .limit(JOBS_AT_ONCE)
    .execute();
  for (const { job_id, user_key, surplus } of jobs)
    if (surplus !== null)
      await inSteps<string>(sweep.pause, (from) => deleteUpTo(sweep, { job_id, user_key, surplus }, from));
  return reached(jobs, JOBS_AT_ONCE)?.job_id;
}

async function deleteUpTo(
  sweep: Sweep,
  { job_id, user_key, surplus }: { job_id: string; user_key: string; surplus: string },
  after = "",
): Promise<string | undefined> {
  const rows = await sweep.db.kysely
    .selectFrom("runs")
    .select(ENDED_COLUMNS)
    .where("user_key", "=", user_key)
    .where("job_id", "=", job_id)
    .where("run_id", "<=", surplus)
    .where("run_id", ">", after)
    .where("finished_at", "is not", null)
    .orderBy("run_id")
    .limit(DELETE_BATCH)
    .execute();
  await deleteRuns(sweep, rows);
  return reached(rows, DELETE_BATCH)?.run_id;
}

/** Deletes ended runs, except the last run of a job that is not over, and those that a webhook is still to be told of. */
async function deleteRuns({ db, forgotten, ...times }: Sweep, rows: readonly EndedRow[]): Promise<void> {
  if (rows.length === 0) return;
  forgotten.runs += await db.transact(
    async (trx, users) => {
      let deleted = 0;
      // A user whose lock another transaction holds is left to the next pass.
      for (const [userKey, ofUser] of Map.groupBy(rows, ({ user_key }) => user_key))
        if (await users.tryTake(userKey)) deleted += await deleteRows(trx, ofUser, times);
      return deleted;
    },
    { of: null },
  );
}

async function deleteRows(
  trx: Transaction<Tables>,
  rows: readonly EndedRow[],
  { now, endedBefore }: Pick<Sweep, "now" | "endedBefore">,
): Promise<number> {
  const stored = await trx
    .selectFrom("jobs")
    .leftJoin("job_counters", "job_counters.job_id", "jobs.job_id")
    .select(["jobs.job_id", "status", "file", "updated_at", "next_run_at", "last_run_id", "forgotten_until"])
    .where("jobs.job_id", "in", [...new Set(rows.map(({ job_id }) => job_id))])
    .execute();
  const jobs = new Map(stored.map((job) => [job.job_id, job]));
  const pending = await trx
    .selectFrom("deliveries")
    .select("run_id")
    .where("status", "=", "pending")
    .where(
      "run_id",
      "in",
      rows.map(({ run_id }) => run_id),
    )
    .execute();
  const hasPendingDelivery = new Set(pending.map(({ run_id }) => run_id));
  const deletable = rows.filter(({ run_id, job_id, occurrence, finished_at }) => {
    const job = jobs.get(job_id);
    // Kept: an occurrence in the future (the system clock was set back), or one that the job has not caught up to.
    const isPast = occurrence === null || (occurrence <= now && occurrence < (job?.next_run_at ?? Infinity));
    const isOld = finished_at !== null && finished_at < endedBefore;
    const isKept = job?.last_run_id === run_id && !(isOld && isOver(job, endedBefore));
    return isPast && !isKept && !hasPendingDelivery.has(run_id);
  });
  const until = new Map<string, number>();
  for (const { job_id, occurrence } of deletable)
    if (occurrence !== null) until.set(job_id, Math.max(occurrence, until.get(job_id) ?? occurrence));
  for (const [jobId, occurrence] of until)
    if (occurrence > (jobs.get(jobId)?.forgotten_until ?? Number.NEGATIVE_INFINITY))
      await trx
        .updateTable("jobs")
        .set({ forgotten_until: occurrence })
        .where("job_id", "=", jobId)
        .execute();
  const ids = deletable.map(({ run_id }) => run_id);
  if (ids.length > 0) await trx.deleteFrom("runs").where("run_id", "in", ids).execute();
  return ids.length;
}

const EVERY_MS = 3_600_000;

/** Deletes old runs now and every hour until it is stopped. A failure is logged; the next hour tries again. */
export function startRetention(
  db: Database,
  { keep, log, now }: { keep: Keep; log: Log; now: () => number },
): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const { signal } = stopping;
  const deleteHourly = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        const forgotten = await forgetOldRuns(db, keep, now(), signal);
        const { runs, transcripts, jobs } = forgotten;
        if (runs + transcripts + jobs > 0) log.info(forgotten, "old runs were deleted");
      } catch (error) {
        if (!signal.aborted)
          log.error({ err: error }, "old runs could not be deleted; trying again in an hour");
      }
      await wait(EVERY_MS, undefined, { ref: false, signal }).catch(() => {});
    }
  };
  const work = deleteHourly();
  return {
    async stop() {
      stopping.abort();
      await work;
    },
  };
}

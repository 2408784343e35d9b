import { setTimeout as wait } from "node:timers/promises";
import type { Transaction } from "kysely";
import type { Database } from "../database/database.ts";
import { idsBefore } from "../database/ids.ts";
import type { RunRow, Tables } from "../database/schema.ts";
import type { Log } from "../log.ts";

/** What is kept of runs that have ended; 0 keeps all. */
export interface Keep {
  readonly keepRunsDays: number;
  /** The newest of each job. */
  readonly keepRunsPerJob: number;
  readonly keepTranscriptsDays: number;
}

export interface Forgotten {
  runs: number;
  transcripts: number;
}

const DAY_MS = 86_400_000;
/** Rows of one transaction, which holds up everybody else's writes for a few ms. */
const BATCH = 200;
/** Jobs of one look at how many runs they have. */
const JOBS_AT_ONCE = 50;
/** Between two steps, so that whoever waits for the database comes first. */
const PAUSE_MS = 20;

/**
 * Deletes what is no longer to be kept, of all users: the system's own work, so it is never handed to a connection.
 * In small steps with pauses between them; stops between two of them when `signal` says so. Resolves to what it deleted.
 *
 * No occurrence is run again for it. A row's (job_id, occurrence) is what tells that an occurrence has been dealt with;
 * before a row goes, its occurrence goes into the job's `forgotten_until`, up to which nothing is claimed or
 * backfilled any more. Nothing that is still to run is lost by that: only rows go whose occurrence has passed and lies
 * before the job's next time, from which on it catches up, whatever its window.
 */
export async function forgetOldRuns(
  db: Database,
  keep: Keep,
  now: number,
  signal?: AbortSignal,
): Promise<Forgotten> {
  const forgotten: Forgotten = { runs: 0, transcripts: 0 };
  const pause = () => wait(PAUSE_MS, undefined, { ref: false, ...(signal && { signal }) });
  const sweep: Sweep = { db, now, forgotten, pause };
  const { keepTranscriptsDays, keepRunsDays, keepRunsPerJob } = keep;
  if (keepTranscriptsDays > 0)
    await inSteps<string>(pause, (after) => dropTranscripts(sweep, keepTranscriptsDays, after));
  if (keepRunsDays > 0) await inSteps<Position>(pause, (after) => dropOldRuns(sweep, keepRunsDays, after));
  if (keepRunsPerJob > 0) await inSteps<string>(pause, (after) => dropSurplus(sweep, keepRunsPerJob, after));
  return forgotten;
}

interface Sweep {
  readonly db: Database;
  readonly now: number;
  readonly forgotten: Forgotten;
  readonly pause: () => Promise<unknown>;
}

/** Each step begins after the place that the one before has reached; the last one has reached none. */
async function inSteps<Reached>(
  pause: () => Promise<unknown>,
  step: (after: Reached | undefined) => Promise<Reached | undefined>,
): Promise<void> {
  for (let after = await step(undefined); after !== undefined; after = await step(after)) await pause();
}

/** Where the next step goes on: after the last of `rows`, unless there were fewer than there might have been. */
const reached = <Row>(rows: readonly Row[], most: number): Row | undefined =>
  rows.length === most ? rows.at(-1) : undefined;

// What is to go is looked for outside of the transactions: it has ended and changes no more, and usually there is none.
async function dropTranscripts(sweep: Sweep, days: number, after = ""): Promise<string | undefined> {
  const before = sweep.now - days * DAY_MS;
  const rows = await sweep.db.kysely
    .selectFrom("transcripts")
    .innerJoin("runs", "runs.run_id", "transcripts.run_id")
    .select("transcripts.run_id")
    .where("transcripts.run_id", ">", after)
    // An id tells when its run was made, and so that it has not ended before.
    .where("transcripts.run_id", "<", idsBefore("run", before))
    .where("runs.finished_at", "<", before)
    .orderBy("transcripts.run_id")
    .limit(BATCH)
    .execute();
  if (rows.length === 0) return undefined;
  const ids = rows.map(({ run_id }) => run_id);
  await sweep.db.transact((trx) => trx.deleteFrom("transcripts").where("run_id", "in", ids).execute(), {
    of: null,
  });
  sweep.forgotten.transcripts += ids.length;
  return reached(ids, BATCH);
}

type Ended = Pick<RunRow, "run_id" | "job_id" | "user_key" | "occurrence" | "finished_at">;
type Position = Pick<Ended, "run_id" | "finished_at">;
const ENDED = ["run_id", "job_id", "user_key", "occurrence", "finished_at"] as const;

async function dropOldRuns(sweep: Sweep, days: number, after?: Position): Promise<Position | undefined> {
  let ended = sweep.db.kysely
    .selectFrom("runs")
    .select(ENDED)
    .where("finished_at", "<", sweep.now - days * DAY_MS);
  if (after)
    ended = ended
      .where("finished_at", ">=", after.finished_at)
      .where((eb) => eb.or([eb("finished_at", ">", after.finished_at), eb("run_id", ">", after.run_id)]));
  const rows = await ended.orderBy("finished_at").orderBy("run_id").limit(BATCH).execute();
  await drop(sweep, rows);
  return reached(rows, BATCH);
}

/** Looks at some jobs, and deletes what each of them has beyond its newest `kept`. */
async function dropSurplus(sweep: Sweep, kept: number, after = ""): Promise<string | undefined> {
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
      await inSteps<string>(sweep.pause, (from) => dropUpTo(sweep, { job_id, user_key, surplus }, from));
  return reached(jobs, JOBS_AT_ONCE)?.job_id;
}

async function dropUpTo(
  sweep: Sweep,
  { job_id, user_key, surplus }: { job_id: string; user_key: string; surplus: string },
  after = "",
): Promise<string | undefined> {
  const rows = await sweep.db.kysely
    .selectFrom("runs")
    .select(ENDED)
    .where("user_key", "=", user_key)
    .where("job_id", "=", job_id)
    .where("run_id", "<=", surplus)
    .where("run_id", ">", after)
    .where("finished_at", "is not", null)
    .orderBy("run_id")
    .limit(BATCH)
    .execute();
  await drop(sweep, rows);
  return reached(rows, BATCH)?.run_id;
}

/**
 * Deletes ended runs, with all that hangs on them, but for the one that its job shows as its last, and those whose end
 * a webhook is still to be told.
 */
async function drop({ db, now, forgotten }: Sweep, rows: readonly Ended[]): Promise<void> {
  if (rows.length === 0) return;
  forgotten.runs += await db.transact(
    async (trx, users) => {
      let dropped = 0;
      // Those of a user who is being written for wait for the next time.
      for (const [userKey, ofUser] of Map.groupBy(rows, ({ user_key }) => user_key))
        if (await users.tryTake(userKey)) dropped += await dropRows(trx, ofUser, now);
      return dropped;
    },
    { of: null },
  );
}

async function dropRows(trx: Transaction<Tables>, rows: readonly Ended[], now: number): Promise<number> {
  const stored = await trx
    .selectFrom("jobs")
    .leftJoin("job_counters", "job_counters.job_id", "jobs.job_id")
    .select(["jobs.job_id", "next_run_at", "last_run_id", "forgotten_until"])
    .where("jobs.job_id", "in", [...new Set(rows.map(({ job_id }) => job_id))])
    .execute();
  const jobs = new Map(stored.map((job) => [job.job_id, job]));
  const untold = await trx
    .selectFrom("deliveries")
    .select("run_id")
    .where("status", "=", "pending")
    .where(
      "run_id",
      "in",
      rows.map(({ run_id }) => run_id),
    )
    .execute();
  const isUntold = new Set(untold.map(({ run_id }) => run_id));
  const doomed = rows.filter(({ run_id, job_id, occurrence }) => {
    const job = jobs.get(job_id);
    // Dated ahead, by a clock that was set back since; or run out of turn, while the job was catching up: both stay.
    const isPast = occurrence === null || (occurrence <= now && occurrence < (job?.next_run_at ?? Infinity));
    return isPast && job?.last_run_id !== run_id && !isUntold.has(run_id);
  });
  const until = new Map<string, number>();
  for (const { job_id, occurrence } of doomed)
    if (occurrence !== null) until.set(job_id, Math.max(occurrence, until.get(job_id) ?? occurrence));
  for (const [jobId, occurrence] of until)
    if (occurrence > (jobs.get(jobId)?.forgotten_until ?? Number.NEGATIVE_INFINITY))
      await trx
        .updateTable("jobs")
        .set({ forgotten_until: occurrence })
        .where("job_id", "=", jobId)
        .execute();
  const ids = doomed.map(({ run_id }) => run_id);
  if (ids.length > 0) await trx.deleteFrom("runs").where("run_id", "in", ids).execute();
  return ids.length;
}

const EVERY_MS = 3_600_000;

/** Deletes what is no longer to be kept: now, and every hour until it is stopped. A failure is logged, and left to the next hour. */
export function startRetention(
  db: Database,
  { keep, log, now }: { keep: Keep; log: Log; now: () => number },
): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const { signal } = stopping;
  const keepHouse = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        const { runs, transcripts } = await forgetOldRuns(db, keep, now(), signal);
        if (runs + transcripts > 0) log.info({ runs, transcripts }, "old runs were deleted");
      } catch (error) {
        if (!signal.aborted)
          log.error({ err: error }, "old runs could not be deleted; trying again in an hour");
      }
      await wait(EVERY_MS, undefined, { ref: false, signal }).catch(() => {});
    }
  };
  const work = keepHouse();
  return {
    async stop() {
      stopping.abort();
      await work;
    },
  };
}

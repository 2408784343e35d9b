import type { Transaction } from "kysely";
import type { Database } from "../database/database.ts";
import { readPage } from "../database/page.ts";
import { readRun, readRunSummary, SUMMARY_COLUMNS } from "../database/run-row.ts";
import type { RunRow, Tables } from "../database/schema.ts";
import { NightshiftError } from "../errors.ts";
import type { RunPage, RunStore } from "../jobs/contracts.ts";
import { cutText } from "../jobs/cut-text.ts";
import type { OwnerReply, Run } from "../jobs/run.ts";
import { enqueue, enqueueBackfill } from "./enqueue-run.ts";
import { readSteps } from "./journal.ts";
import { emptyResult, endRun } from "./run-end.ts";
import { takeAnswer } from "./wait-run.ts";

export interface RunStoreOptions {
  readonly userKey: string;
  /** Epoch ms. */
  readonly now: () => number;
  /** Queued runs that the user may have at once; default 1000. */
  readonly maxQueued?: number;
}

const DEFAULT_MAX_QUEUED = 1000;
const DEFAULT_RUNS_PAGE = 50;
const MAX_RUNS_PAGE = 200;
/** Characters of all outputs of a page together; each run gets an equal part. */
const MAX_PAGE_OUTPUT_CHARS = 1_000_000;

/** One user's runs. Every query below has `userKey` in it, and no caller can pass another. */
export function openRunStore(db: Database, options: RunStoreOptions): RunStore {
  const { userKey, now, maxQueued = DEFAULT_MAX_QUEUED } = options;
  const transact = <T>(work: (trx: Transaction<Tables>) => Promise<T>) => db.transact(work, { of: userKey });
  return {
    get: (runId) => findRun(db.kysely, userKey, runId),
    async summary(runId) {
      const rows = db.kysely.selectFrom("runs").selectAll().where("user_key", "=", userKey);
      const row = await rows.where("run_id", "=", runId).executeTakeFirst();
      if (row) return readRunSummary(row);
      throw noSuchRun();
    },
    list: (listOptions = {}) => readRunPage(db, userKey, listOptions),
    enqueue: (jobId, { overlap = "allow_all" } = {}) =>
      transact((trx) => enqueue(trx, { userKey, jobId, maxQueued, overlap }, now())),
    backfill: (jobId, span) =>
      transact((trx) => enqueueBackfill(trx, { userKey, jobId, maxQueued, ...span }, now())),
    answer: (runId, reply) => transact((trx) => answer(trx, { userKey, runId }, reply, now())),
    cancel: (runId) => transact((trx) => cancelUnlessEnded(trx, { userKey, runId }, now())),
  };
}

async function findRun(db: Database["kysely"], userKey: string, runId: string): Promise<Run> {
  const row = await db
    .selectFrom("runs")
    .leftJoin("transcripts", "transcripts.run_id", "runs.run_id")
    .selectAll("runs")
    .select("transcripts.steps")
    .where("runs.run_id", "=", runId)
    .where("runs.user_key", "=", userKey)
    .executeTakeFirst();
  if (row?.finished_at === null)
    return { ...readRun(row, null), transcript: row.started_at === null ? [] : await readSteps(db, runId) };
  if (row) return readRun(row, row.steps);
  throw noSuchRun();
}

const noSuchRun = () =>
  new NightshiftError("RUN_NOT_FOUND", "You have no run with this id; list_runs shows those you have.");

async function readRunPage(
  db: Database,
  userKey: string,
  { jobId, status, idStart, limit = DEFAULT_RUNS_PAGE, cursor }: NonNullable<Parameters<RunStore["list"]>[0]>,
): Promise<RunPage> {
  const size = Math.min(Math.max(1, limit), MAX_RUNS_PAGE);
  const maxChars = Math.floor(MAX_PAGE_OUTPUT_CHARS / size);
  let query = db.kysely
    .selectFrom("runs")
    .select(SUMMARY_COLUMNS)
    // One character more tells that the output is longer.
    .select((eb) => eb.fn<string | null>("substr", ["output", eb.lit(1), eb.lit(maxChars + 1)]).as("output"))
    .where("user_key", "=", userKey);
  if (jobId !== undefined) query = query.where("job_id", "=", jobId);
  if (status === "waiting") query = query.where("waiting_for", "is not", null);
  else if (status !== undefined) query = query.where("status", "=", status);
  if (status === "queued") query = query.where("waiting_for", "is", null);
  // After its prefix an id is hexadecimal, so "g" sorts after all of them in every collation.
  if (idStart !== undefined) query = query.where("run_id", ">=", idStart).where("run_id", "<", `${idStart}g`);
  const scope = ["runs", userKey, jobId ?? null, status ?? null, ...(idStart === undefined ? [] : [idStart])];
  const request = { scope, limit: size, maxLimit: MAX_RUNS_PAGE, cursor };
  const { rows, ...next } = await readPage(query, "run_id", request);
  const runs = rows.map((row) => readRunSummary({ ...row, output: cutListed(row.output, maxChars) }));
  return { runs, ...next };
}

const cutListed = (output: string | null, maxChars: number): string | null =>
  output === null || output.length <= maxChars
    ? output
    : `${cutText(output, maxChars)}… [cut here: get_run has all of it]`;

async function answer(
  trx: Transaction<Tables>,
  { userKey, runId }: { userKey: string; runId: string },
  reply: OwnerReply,
  now: number,
): Promise<Run> {
  const row = await trx
    .selectFrom("runs")
    .selectAll()
    .where("run_id", "=", runId)
    .where("user_key", "=", userKey)
    .executeTakeFirst();
  if (row) await takeAnswer(trx, row, reply, now);
  return findRun(trx, userKey, runId);
}

async function cancelUnlessEnded(
  trx: Transaction<Tables>,
  { userKey, runId }: { userKey: string; runId: string },
  now: number,
): Promise<Run> {
  const run = await findRun(trx, userKey, runId);
  if (run.status === "queued" || run.status === "waiting") {
    const reason = run.startedAt === null ? "Cancelled before it started." : "Cancelled while it waited.";
    await endRun(trx, runId, "queued", emptyResult("cancelled", reason), now);
  } else if (run.status === "running") {
    // A second request keeps the time of the first.
    const change: Partial<RunRow> = { cancel_requested_at: run.cancelRequestedAt ?? now };
    await trx
      .updateTable("runs")
      .set(change)
      .where("run_id", "=", runId)
      .where("user_key", "=", userKey)
      .execute();
  } else {
    throw new NightshiftError(
      "RUN_STATE",
      `This run has ended (${run.status}); there is nothing to cancel.`,
      {
        status: run.status,
      },
    );
  }
  return findRun(trx, userKey, runId);
}

import type { Transaction } from "kysely";
import { idsBefore, newId } from "../database/ids.ts";
import type { InboxRow, RunRow, Tables } from "../database/schema.ts";
import { sendPipelined } from "../database/sql.ts";
import type { ItemKind, Retention } from "../jobs/inbox-item.ts";
import type { RunResult } from "../jobs/run.ts";

/** News about the job itself that comes with the end of a run: it fails again and again, or was paused for it. */
export interface Notice {
  readonly kind: Exclude<ItemKind, "result" | "question">;
  readonly note: string;
}

/**
 * Adds the result of a run to its owner's inbox, in the transaction that ends the run, so that no result is lost or
 * added twice. Resolves to false, with nothing written, for a run without news.
 */
export async function addInboxItem(
  trx: Transaction<Tables>,
  run: RunRow,
  result: RunResult,
  { notice, retention, now }: { notice: Notice | null; retention: Retention; now: number },
): Promise<boolean> {
  if (!isNews(run, result)) return false;
  const row: InboxRow = {
    item_id: newId("item", now),
    user_key: run.user_key,
    kind: notice?.kind ?? "result",
    run_id: run.run_id,
    job_id: run.job_id,
    status: result.status,
    note: notice?.note ?? null,
    created_at: now,
    read_at: null,
  };
  await sendPipelined(trx, trx.insertInto("inbox").values(row));
  await prune(trx, run.user_key, retention, now);
  return true;
}

/** Adds what a run asks of its owner. Of a job's questions the newest is shown, not fifty. */
export async function addQuestion(
  trx: Transaction<Tables>,
  { run_id, job_id, user_key }: Pick<RunRow, "run_id" | "job_id" | "user_key">,
  { note, retention, now }: { note: string; retention: Retention; now: number },
): Promise<void> {
  const older = trx
    .deleteFrom("inbox")
    .where("user_key", "=", user_key)
    .where("job_id", "=", job_id)
    .where("kind", "=", "question");
  await older.execute();
  const row: InboxRow = {
    item_id: newId("item", now),
    user_key,
    kind: "question",
    run_id,
    job_id,
    status: "waiting",
    note,
    created_at: now,
    read_at: null,
  };
  await trx.insertInto("inbox").values(row).execute();
  await prune(trx, user_key, retention, now);
}

/** Removes the question of a run that no longer waits. */
export async function removeQuestion(trx: Transaction<Tables>, runId: string): Promise<void> {
  await trx.deleteFrom("inbox").where("run_id", "=", runId).where("kind", "=", "question").execute();
}

/** Skipped runs, runs that their owner cancelled, silent runs and successes without output are no news. */
function isNews(run: RunRow, { status, silent, output }: RunResult): boolean {
  if (status === "skipped" || silent) return false;
  if (status === "cancelled") return run.started_at !== null && run.cancel_requested_at === null;
  return status !== "succeeded" || (output ?? "").trim() !== "";
}

/** Most expired items that one addition removes: more than it adds, so that a backlog of them shrinks. */
const PRUNED_AT_ONCE = 10;

/** Pipelined, with no result read back, because every end of a run does it. */
async function prune(trx: Transaction<Tables>, userKey: string, { days, items }: Retention, now: number) {
  const own = () => trx.selectFrom("inbox").select("item_id").where("user_key", "=", userKey);
  // Ids sort by time, so the index returns the oldest first.
  const oldest = () => own().orderBy("item_id");
  const expired = oldest().where("item_id", "<", idsBefore("item", now - days * 24 * 3_600_000));
  await sendPipelined(trx, trx.deleteFrom("inbox").where("item_id", "in", expired.limit(PRUNED_AT_ONCE)));
  const oldestRead = oldest().where("read_at", "is not", null);
  const beyond = own().orderBy("item_id", "desc").offset(items).limit(1);
  const oneTooMany = trx
    .deleteFrom("inbox")
    .where("user_key", "=", userKey)
    .where("item_id", "=", ({ fn }) =>
      fn.coalesce(oldestRead.limit(1).$asScalar(), oldest().limit(1).$asScalar()),
    )
    .where(({ exists }) => exists(beyond));
  for (const _ of [1, 2]) await sendPipelined(trx, oneTooMany);
}

import type { Transaction } from "kysely";
import { idsBefore, newId } from "../database/ids.ts";
import type { InboxRow, RunRow, Tables } from "../database/schema.ts";
import { sendPipelined } from "../database/sql.ts";
import type { ItemKind, Retention } from "../jobs/inbox-item.ts";
import type { RunResult } from "../jobs/run.ts";

/** What the end of a run means for its job, said once. */
export interface Notice {
  readonly kind: Exclude<ItemKind, "result">;
  readonly note: string;
}

/**
 * Puts what a run came to into its owner's inbox, in the transaction that ends the run, so that no end is lost and
 * none told twice. False, and nothing written, where there is nothing to tell.
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

/** What did not run, what its owner stopped and what says itself that it is nothing are no news. */
function isNews(run: RunRow, { status, silent, output }: RunResult): boolean {
  if (status === "skipped" || silent) return false;
  if (status === "cancelled") return run.status === "running" && run.cancel_requested_at === null;
  return status !== "succeeded" || (output ?? "").trim() !== "";
}

/** Expired items that one delivery removes at most: more than it adds, so that what is too much melts away. */
const PRUNED_AT_ONCE = 10;
const DAY_MS = 86_400_000;

/** Nothing here is waited for or read back: it is a part of every run's end. */
async function prune(trx: Transaction<Tables>, userKey: string, { days, items }: Retention, now: number) {
  const own = () => trx.selectFrom("inbox").select("item_id").where("user_key", "=", userKey);
  // Ids sort by time, so the index has the oldest first.
  const oldest = () => own().orderBy("item_id");
  const expired = oldest().where("item_id", "<", idsBefore("item", now - days * DAY_MS));
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

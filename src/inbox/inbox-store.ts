import type { Transaction } from "kysely";
import type { Database } from "../database/database.ts";
import { readPage } from "../database/page.ts";
import { readDetail } from "../database/run-row.ts";
import type { InboxRow, Tables } from "../database/schema.ts";
import { cutText } from "../jobs/cut-text.ts";
import { type Inbox, type InboxItem, type InboxPage, MAX_ITEM_CHARS } from "../jobs/inbox-item.ts";

const DEFAULT_PAGE = 20;
const MAX_PAGE = 100;

/** Opens one user's inbox. Every query below has `userKey` in it, and no method takes a user. */
export function openInbox(
  db: Database,
  { userKey, now }: { readonly userKey: string; readonly now: () => number },
): Inbox {
  const transact = <T>(work: (trx: Transaction<Tables>) => Promise<T>) => db.transact(work, { of: userKey });
  const unreadOf = (trx: Transaction<Tables>) =>
    trx
      .updateTable("inbox")
      .set({ read_at: now() })
      .where("user_key", "=", userKey)
      .where("read_at", "is", null);
  return {
    list: (options = {}) => listItems(db, userKey, options),
    unread: async () => {
      const row = await db.kysely
        .selectFrom("inbox")
        .select((eb) => eb.fn.countAll().as("count"))
        .where("user_key", "=", userKey)
        .where("read_at", "is", null)
        .executeTakeFirst();
      return Number(row?.count ?? 0);
    },
    markRead: async (itemIds) => {
      if (itemIds.length === 0) return 0;
      const marked = await transact((trx) =>
        unreadOf(trx).where("item_id", "in", itemIds).executeTakeFirst(),
      );
      return Number(marked.numUpdatedRows);
    },
    markRunRead: async (runId) => {
      const marked = await transact((trx) =>
        unreadOf(trx).where("run_id", "=", runId).where("kind", "=", "result").executeTakeFirst(),
      );
      return Number(marked.numUpdatedRows);
    },
  };
}

async function listItems(
  db: Database,
  userKey: string,
  { unreadOnly = false, jobId, limit = DEFAULT_PAGE, cursor }: NonNullable<Parameters<Inbox["list"]>[0]>,
): Promise<InboxPage> {
  let query = db.kysely
    .selectFrom("inbox")
    .leftJoin("runs", (join) =>
      join.onRef("runs.run_id", "=", "inbox.run_id").onRef("runs.user_key", "=", "inbox.user_key"),
    )
    .leftJoin("jobs", (join) =>
      join.onRef("jobs.job_id", "=", "inbox.job_id").onRef("jobs.user_key", "=", "inbox.user_key"),
    )
    .selectAll("inbox")
    .select((eb) => [
      "jobs.name as job_name",
      "runs.detail as run_detail",
      // Cut in SQL, because an output may be a hundred times as long; one character more tells that it was cut.
      eb.fn<string | null>("substr", ["runs.output", eb.lit(1), eb.lit(MAX_ITEM_CHARS + 1)]).as("output"),
    ])
    .where("inbox.user_key", "=", userKey);
  if (unreadOnly) query = query.where("inbox.read_at", "is", null);
  if (jobId !== undefined) query = query.where("inbox.job_id", "=", jobId);
  const scope = ["inbox", userKey, jobId ?? null, unreadOnly ? "unread" : "all"];
  const page = { scope, limit, maxLimit: MAX_PAGE, cursor };
  const { rows, ...next } = await readPage(query, "inbox.item_id", page);
  return { items: rows.map(readItem), ...next };
}

interface JoinedRow extends InboxRow {
  readonly job_name: string | null;
  readonly run_detail: string | null;
  readonly output: string | null;
}

function readItem(row: JoinedRow): InboxItem {
  const { error: failure = null, endReason = null } =
    row.run_detail === null ? {} : readDetail(row.run_detail);
  return {
    itemId: row.item_id,
    kind: row.kind,
    jobId: row.job_id,
    jobName: row.job_name,
    runId: row.run_id,
    status: row.status,
    note: row.note,
    output: cutOutput(row.output),
    failure: cutOutput(failure?.message ?? null),
    ...(endReason && { endReason }),
    createdAt: row.created_at,
    readAt: row.read_at,
  };
}

const cutOutput = (text: string | null): string | null =>
  text !== null && text.length > MAX_ITEM_CHARS
    ? `${cutText(text, MAX_ITEM_CHARS)}… [cut; get_run has all of it]`
    : text;

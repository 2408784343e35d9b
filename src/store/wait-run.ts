import type { Transaction } from "kysely";
import { readRun } from "../database/run-row.ts";
import type { RunRow, Tables } from "../database/schema.ts";
import { NightshiftError } from "../errors.ts";
import { addQuestion, removeQuestion } from "../inbox/add-item.ts";
import { cutText } from "../jobs/cut-text.ts";
import { DEFAULT_RETENTION, MAX_ITEM_CHARS, type Retention } from "../jobs/inbox-item.ts";
import type { OwnerReply, Run, WaitingFor } from "../jobs/run.ts";
import { queueWaitingMessages } from "../webhooks/enqueue-delivery.ts";
import { enqueueUser } from "./fair-order.ts";
import { queuedColumns } from "./interrupt-run.ts";
import { findAnyJob } from "./job-rows.ts";
import { type JournalEntry, type Progress, progressColumns, readEntries, writeEntries } from "./journal.ts";

/** What a run waits for, with all that it did before. */
export interface Wait {
  readonly waitingFor: WaitingFor;
  readonly entries: readonly JournalEntry[];
  readonly progress: Progress;
}

/** Runs of one user, and of one job, that may wait at once. */
const MAX_WAITING = 100;
const MAX_WAITING_OF_JOB = 10;

/** False when so many runs wait that this one must go on without an answer. */
export async function mayWait(
  trx: Transaction<Tables>,
  { jobId, userKey }: Pick<Run, "jobId" | "userKey">,
): Promise<boolean> {
  const rows = await trx
    .selectFrom("runs")
    .select("job_id")
    .where("user_key", "=", userKey)
    .where("waiting_for", "is not", null)
    .limit(MAX_WAITING)
    .execute();
  return rows.length < MAX_WAITING && rows.filter((row) => row.job_id === jobId).length < MAX_WAITING_OF_JOB;
}

/** Stores that a running run waits: nobody holds it until it is answered or its time is over. */
export async function waitRun(
  trx: Transaction<Tables>,
  row: RunRow,
  { waitingFor, entries, progress }: Wait,
  { now, retention = DEFAULT_RETENTION }: { now: number; retention?: Retention },
): Promise<void> {
  const change = {
    ...queuedColumns(waitingFor.until),
    ...progressColumns(progress),
    waiting_for: JSON.stringify(waitingFor),
  };
  await writeEntries(trx, row.run_id, entries, now);
  await trx.updateTable("runs").set(change).where("run_id", "=", row.run_id).execute();
  await enqueueUser(trx, row, waitingFor.until);
  if (waitingFor.kind === "sleep") return;
  await addQuestion(trx, row, { note: describeWait(waitingFor), retention, now });
  await queueWaitingMessages(trx, row, waitingFor, now);
}

/** The question, or the call that needs an approval, in one text for the owner. */
function describeWait({ kind, question, options, tool, arguments: args }: WaitingFor): string {
  const text =
    kind === "approval"
      ? `May it call ${tool} with ${JSON.stringify(args)}?`
      : `${question}${options ? ` (${options.join(" / ")})` : ""}`;
  return text.length > MAX_ITEM_CHARS
    ? `${cutText(text, MAX_ITEM_CHARS)}… [cut; get_run has all of it]`
    : text;
}

/** Takes the owner's answer to a waiting run, once, and queues it. Rejects with RUN_STATE for a run that does not wait. */
export async function takeAnswer(
  trx: Transaction<Tables>,
  row: RunRow,
  reply: OwnerReply,
  now: number,
): Promise<void> {
  const waitingFor = readRun(row, null).waitingFor;
  if (!waitingFor || waitingFor.kind === "sleep")
    throw new NightshiftError("RUN_STATE", notWaiting(row, waitingFor), { status: row.status });
  if (waitingFor.until <= now)
    throw new NightshiftError("RUN_STATE", "Its time for an answer is over; it goes on without one.", {});
  if (waitingFor.kind === "approval") {
    if (reply.approve === undefined)
      throw new NightshiftError(
        "INVALID_ARGUMENTS",
        "This run waits for an approval: give approve, true or false.",
      );
    await remember(trx, row, waitingFor, reply);
  } else if (reply.answer === undefined)
    throw new NightshiftError("INVALID_ARGUMENTS", "This run asks a question: give an answer.");
  await writeWaitResult(trx, row, { ...reply, isAnswered: true }, now);
  await trx.updateTable("runs").set({ due_at: now }).where("run_id", "=", row.run_id).execute();
  await enqueueUser(trx, row, now);
}

const notWaiting = (row: RunRow, waitingFor: WaitingFor | null): string =>
  waitingFor
    ? "This run sleeps and asks nothing; it goes on by itself."
    : row.finished_at === null
      ? "This run does not wait for an answer: it was answered already, or asks nothing."
      : `This run has ended (${row.status}); an answer would come too late.`;

async function remember(trx: Transaction<Tables>, row: RunRow, waitingFor: WaitingFor, reply: OwnerReply) {
  if (!reply.approve || reply.remember !== "this_job") return;
  const approval = {
    job_id: row.job_id,
    user_key: row.user_key,
    tool: waitingFor.tool ?? "",
    arguments_hash: waitingFor.argumentsHash ?? "",
  };
  await trx
    .insertInto("approvals")
    .values(approval)
    .onConflict((conflict) => conflict.columns(["job_id", "tool", "arguments_hash"]).doNothing())
    .execute();
}

/** What a wait came to, as the ghost is told. */
export interface WaitResult extends OwnerReply {
  readonly isAnswered: boolean;
}

/** Ends the wait of a run whose time is over: with its job's default answer, or with none. */
export async function endWait(trx: Transaction<Tables>, row: RunRow, now: number): Promise<void> {
  const job = await findAnyJob(trx, row.job_id);
  const fallback = job?.provision.defaultAnswer ?? null;
  await writeWaitResult(trx, row, { isAnswered: false, ...(fallback !== null && { answer: fallback }) }, now);
}

/** Writes what came of the wait into the entry that was begun last for it. */
async function writeWaitResult(
  trx: Transaction<Tables>,
  row: RunRow,
  result: WaitResult,
  now: number,
): Promise<void> {
  const waitingFor = readRun(row, null).waitingFor;
  const entries = await readEntries(trx, row.run_id);
  const entry = entries.find(({ key }) => key === waitingFor?.key);
  if (entry) await writeEntries(trx, row.run_id, [{ ...entry, isDone: true, value: result }], now);
  await trx.updateTable("runs").set({ waiting_for: null }).where("run_id", "=", row.run_id).execute();
  await removeQuestion(trx, row.run_id);
}

import type { Kysely, Transaction } from "kysely";
import type { Database } from "../database/database.ts";
import type { RunStepRow, Tables } from "../database/schema.ts";
import { NightshiftError } from "../errors.ts";
import type { TranscriptStep, Usage } from "../jobs/run.ts";

/** One thing that a run did. */
export interface JournalEntry {
  /** From 1, in the order in which they were begun. */
  readonly step: number;
  /** Who asked for it: see ghost/journal.ts. */
  readonly key: string;
  /** False: it was begun, and what came of it is not known. */
  readonly isDone: boolean;
  /** Null for what is not in the transcript. */
  readonly shown: TranscriptStep | null;
  /** What the ghost was answered. It must be JSON. */
  readonly value: unknown;
}

/** How far a run has come. */
export interface Progress {
  /** Ms that it had a thread, in all. */
  readonly workedMs: number;
  readonly usage: Usage;
}

/** The entries of one run that is at work here. */
export interface JournalStore {
  read(): Promise<JournalEntry[]>;
  /**
   * Stores entries and progress in one transaction, with what `also` writes. Rejects with CANCELLED, and stores nothing,
   * when this process no longer holds the run.
   */
  write(entries: readonly JournalEntry[], progress: Progress, now: number, also?: AlsoWrite): Promise<void>;
}

/** What is stored in the same transaction. */
export type AlsoWrite = (trx: Transaction<Tables>) => Promise<void>;

interface JournalOptions {
  readonly runId: string;
  /** It tells this claim of the run from others: a process that was taken for dead can no longer write. */
  readonly resumed: number;
  /** False for a run that does not go on after an interruption: only what `also` writes is stored. */
  readonly isKept: boolean;
}

export function openJournalStore(db: Database, { runId, resumed, isKept }: JournalOptions): JournalStore {
  return {
    read: async () => (isKept ? readEntries(db.kysely, runId) : []),
    write: async (entries, progress, now, also) => {
      if (!isKept && !also) return;
      await db.transact(
        async (trx) => {
          await also?.(trx);
          if (!isKept) return;
          const held = await trx
            .updateTable("runs")
            .set(progressColumns(progress))
            .where("run_id", "=", runId)
            .where("status", "=", "running")
            .where("resumed", "=", resumed)
            .executeTakeFirst();
          if (held.numUpdatedRows === 0n) throw takenOver();
          await writeEntries(trx, runId, entries, now);
        },
        { of: null },
      );
    },
  };
}

export const progressColumns = ({ workedMs, usage }: Progress) => ({
  // Above 0 for every run that has a journal.
  worked_ms: Math.max(1, Math.round(workedMs)),
  input_tokens: usage.input_tokens,
  output_tokens: usage.output_tokens,
});

export const takenOver = () =>
  new NightshiftError("CANCELLED", "This run was silent for so long that another process took it for lost.");

export async function readEntries(db: Kysely<Tables>, runId: string): Promise<JournalEntry[]> {
  const rows = await db
    .selectFrom("run_steps")
    .selectAll()
    .where("run_id", "=", runId)
    .orderBy("step")
    .execute();
  // Not validated: only `writeEntries` writes them.
  const parse = (text: string | null): unknown => (text === null ? null : JSON.parse(text));
  return rows.map(({ step, key, is_done, shown, value }) => ({
    step,
    key,
    isDone: is_done === 1,
    shown: parse(shown) as TranscriptStep | null,
    value: parse(value),
  }));
}

export async function writeEntries(
  trx: Transaction<Tables>,
  runId: string,
  entries: readonly JournalEntry[],
  now: number,
): Promise<void> {
  if (entries.length === 0) return;
  const rows = entries.map(
    ({ step, key, isDone, shown, value }): RunStepRow => ({
      run_id: runId,
      step,
      key,
      is_done: isDone ? 1 : 0,
      shown: shown && JSON.stringify(shown),
      value: value === null || value === undefined ? null : JSON.stringify(value),
      at: now,
    }),
  );
  // As many as fit in the parameters of one statement.
  for (let first = 0; first < rows.length; first += 100)
    await trx
      .insertInto("run_steps")
      .values(rows.slice(first, first + 100))
      .onConflict((conflict) =>
        conflict.columns(["run_id", "step"]).doUpdateSet((eb) => ({
          is_done: eb.ref("excluded.is_done"),
          shown: eb.ref("excluded.shown"),
          value: eb.ref("excluded.value"),
          at: eb.ref("excluded.at"),
        })),
      )
      .execute();
}

/** What a run that has not ended did so far, as its transcript. */
export async function readSteps(db: Kysely<Tables>, runId: string): Promise<TranscriptStep[]> {
  const rows = await db
    .selectFrom("run_steps")
    .select("shown")
    .where("run_id", "=", runId)
    .where("shown", "is not", null)
    .execute();
  const steps = rows.map(({ shown }) => JSON.parse(shown ?? "null") as TranscriptStep);
  return steps.sort((a, b) => a.step - b.step);
}

/** Forgets what only a run that goes on needs. */
export async function deleteEntries(trx: Transaction<Tables>, runId: string): Promise<void> {
  await trx.deleteFrom("run_steps").where("run_id", "=", runId).execute();
}

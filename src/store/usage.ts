import type { Transaction } from "kysely";
import type { Database } from "../database/database.ts";
import type { Tables } from "../database/schema.ts";
import { NightshiftError } from "../errors.ts";
import type { ClaimOptions } from "./run-queue.ts";

/** Tokens that several ghosts share, in whichever process: one user's of today, or one job's. */
export interface TokenBudget {
  /** Rejects with BUDGET_EXCEEDED when they are used up: asked before a model call. */
  assertLeft(): Promise<void>;
  /** Written as soon as they are spent: a run that is lost later has spent them all the same. */
  spend(tokens: number): Promise<void>;
}

const dayOf = (now: number): string => new Date(now).toISOString().slice(0, 10);

export const RUNS_USED_UP =
  "The runs that its owner may have in a day are used up; the next day begins at 00:00 UTC.";

/** Counts one more run of the user today; false, and not counted, when there are as many as may be. */
export async function countRun(
  trx: Transaction<Tables>,
  userKey: string,
  now: number,
  maxRuns: number,
): Promise<boolean> {
  if (maxRuns === 0) return true;
  const counted = await trx
    .insertInto("daily_usage")
    .values({ user_key: userKey, day: dayOf(now), runs: 1, tokens: 0 })
    .onConflict((conflict) =>
      conflict
        .columns(["user_key", "day"])
        .doUpdateSet((eb) => ({ runs: eb("daily_usage.runs", "+", 1) }))
        .where("daily_usage.runs", "<", maxRuns),
    )
    .executeTakeFirst();
  return counted.numInsertedOrUpdatedRows === 1n;
}

export function openDailyTokens(
  db: Database,
  { userKey, maxTokens, now }: { userKey: string; maxTokens: number; now: () => number },
): TokenBudget {
  return {
    async assertLeft() {
      if (maxTokens === 0) return;
      const row = await db.kysely
        .selectFrom("daily_usage")
        .select("tokens")
        .where("user_key", "=", userKey)
        .where("day", "=", dayOf(now()))
        .executeTakeFirst();
      const spent = Number(row?.tokens ?? 0);
      if (spent < maxTokens) return;
      throw new NightshiftError(
        "BUDGET_EXCEEDED",
        `Stopped before the next model call: your ghosts have used ${spent} of the ${maxTokens} tokens of today; the next day begins at 00:00 UTC.`,
        { spent, maxTokens },
      );
    },
    async spend(tokens) {
      if (tokens <= 0) return;
      await db.transact(
        (trx) =>
          trx
            .insertInto("daily_usage")
            .values({ user_key: userKey, day: dayOf(now()), runs: 0, tokens })
            .onConflict((conflict) =>
              conflict
                .columns(["user_key", "day"])
                .doUpdateSet((eb) => ({ tokens: eb("daily_usage.tokens", "+", tokens) })),
            )
            .execute(),
        // One statement, which adds.
        { of: null },
      );
    },
  };
}

/** Input and output tokens that the job has used since it was made, whatever became of its runs. */
export async function readJobTokens(
  db: Database,
  { jobId, userKey }: { jobId: string; userKey: string },
): Promise<number> {
  const row = await db.kysely
    .selectFrom("job_usage")
    .select("tokens")
    .where("job_id", "=", jobId)
    .where("user_key", "=", userKey)
    .executeTakeFirst();
  return Number(row?.tokens ?? 0);
}

export interface JobTokensOptions {
  readonly jobId: string;
  readonly userKey: string;
  /** null is no limit; what is spent is counted all the same. */
  readonly maxTokens: number | null;
}

/** Asked before every model call, so that two runs of the job share what is left. */
export function openJobTokens(db: Database, options: JobTokensOptions): TokenBudget {
  const { jobId, userKey, maxTokens } = options;
  return {
    async assertLeft() {
      if (maxTokens === null) return;
      const spent = await readJobTokens(db, options);
      if (spent < maxTokens) return;
      throw new NightshiftError(
        "BUDGET_EXCEEDED",
        `Stopped before the next model call: the runs of this job have used ${spent} tokens of the ${maxTokens} that its max_tokens_per_job allows; update_job can raise it.`,
        { spent, maxTokens },
      );
    },
    async spend(tokens) {
      if (tokens <= 0) return;
      await db.transact(
        (trx) =>
          trx
            .insertInto("job_usage")
            .values({ job_id: jobId, user_key: userKey, tokens })
            .onConflict((conflict) =>
              conflict
                .column("job_id")
                .doUpdateSet((eb) => ({ tokens: eb("job_usage.tokens", "+", tokens) })),
            )
            .execute(),
        // One statement, which adds.
        { of: null },
      );
    },
  };
}

export async function beyondLimit(
  trx: Transaction<Tables>,
  userKey: string,
  { now, maxRunsPerDay = 0 }: ClaimOptions,
): Promise<string | undefined> {
  return (await countRun(trx, userKey, now, maxRunsPerDay)) ? undefined : RUNS_USED_UP;
}

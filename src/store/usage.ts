import type { Transaction } from "kysely";
import type { Database } from "../database/database.ts";
import type { Tables } from "../database/schema.ts";
import { NightshiftError } from "../errors.ts";

/** The sums of tokens that a run shares with others, in whichever process: its owner's of today, its job's. */
export interface TokenBudget {
  /** Rejects with BUDGET_EXCEEDED when all of one are spent. Called before a model call. */
  assertLeft(): Promise<void>;
  /** Adds what a model call used. Called right after it, so that a run that is lost later has it counted too. */
  spend(trx: Transaction<Tables>, tokens: number): Promise<void>;
}

/** The day in UTC, as rows of daily_usage have it. */
export const dayOf = (now: number): string => new Date(now).toISOString().slice(0, 10);

export const RUNS_USED_UP =
  "The runs that its owner may have in a day are used up; the next day begins at 00:00 UTC.";

/**
 * Counts one more run of the user today. Resolves to undefined, or, where that would be one too many, to the reason
 * why the run may not start; then it is not counted. `maxRunsPerDay`: 0 is no limit.
 */
export async function countRunOfDay(
  trx: Transaction<Tables>,
  userKey: string,
  { now, maxRunsPerDay = 0 }: { readonly now: number; readonly maxRunsPerDay?: number },
): Promise<string | undefined> {
  if (maxRunsPerDay === 0) return undefined;
  const counted = await trx
    .insertInto("daily_usage")
    .values({ user_key: userKey, day: dayOf(now), runs: 1, tokens: 0 })
    .onConflict((conflict) =>
      conflict
        .columns(["user_key", "day"])
        .doUpdateSet((eb) => ({ runs: eb("daily_usage.runs", "+", 1) }))
        .where("daily_usage.runs", "<", maxRunsPerDay),
    )
    .executeTakeFirst();
  return counted.numInsertedOrUpdatedRows === 1n ? undefined : RUNS_USED_UP;
}

/** The tokens that a user's runs may use in a day (UTC). `maxTokens`: 0 is no limit. */
export function dailyTokens({
  userKey,
  maxTokens,
  now,
}: {
  userKey: string;
  maxTokens: number;
  now: () => number;
}): TokenCount {
  return {
    maxTokens: maxTokens === 0 ? null : maxTokens,
    async readSpent(db) {
      const row = await db.kysely
        .selectFrom("daily_usage")
        .select("tokens")
        .where("user_key", "=", userKey)
        .where("day", "=", dayOf(now()))
        .executeTakeFirst();
      return Number(row?.tokens ?? 0);
    },
    add: (trx, tokens) =>
      trx
        .insertInto("daily_usage")
        .values({ user_key: userKey, day: dayOf(now()), runs: 0, tokens })
        .onConflict((conflict) =>
          conflict
            .columns(["user_key", "day"])
            .doUpdateSet((eb) => ({ tokens: eb("daily_usage.tokens", "+", tokens) })),
        )
        .execute(),
    describe: (spent) =>
      `your ghosts have used ${spent} of the ${maxTokens} tokens of today; the next day begins at 00:00 UTC.`,
  };
}

/** The tokens that all runs of a job may use together. `maxTokens`: null is no limit. */
export function jobTokens({
  jobId,
  userKey,
  maxTokens,
}: {
  jobId: string;
  userKey: string;
  maxTokens: number | null;
}): TokenCount {
  return {
    maxTokens,
    readSpent: (db) => readJobTokens(db, { jobId, userKey }),
    add: (trx, tokens) =>
      trx
        .insertInto("job_usage")
        .values({ job_id: jobId, user_key: userKey, tokens })
        .onConflict((conflict) =>
          conflict.column("job_id").doUpdateSet((eb) => ({ tokens: eb("job_usage.tokens", "+", tokens) })),
        )
        .execute(),
    describe: (spent) =>
      `the runs of this job have used ${spent} tokens of the ${maxTokens} that its max_tokens_per_job allows; update_job can raise it.`,
  };
}

/** Input and output tokens of all runs of the job so far, however they ended. */
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

/** The row that holds one sum of tokens. */
interface TokenCount {
  /** Null: nothing is refused, but what is spent is still counted. */
  readonly maxTokens: number | null;
  readSpent(db: Database): Promise<number>;
  /** Adds in one statement. */
  add(trx: Transaction<Tables>, tokens: number): Promise<unknown>;
  /** A sentence for the owner, after "Stopped before the next model call: ". */
  describe(spent: number): string;
}

export function openTokenBudget(db: Database, counts: readonly TokenCount[]): TokenBudget {
  return {
    async assertLeft() {
      for (const count of counts) {
        const { maxTokens } = count;
        if (maxTokens === null) continue;
        const spent = await count.readSpent(db);
        if (spent < maxTokens) continue;
        throw new NightshiftError(
          "BUDGET_EXCEEDED",
          `Stopped before the next model call: ${count.describe(spent)}`,
          { spent, maxTokens },
        );
      }
    },
    async spend(trx, tokens) {
      if (tokens > 0) for (const count of counts) await count.add(trx, tokens);
    },
  };
}

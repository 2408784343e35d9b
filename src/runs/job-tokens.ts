import type { Database } from "../database/open-sqlite.ts";
import { NightshiftError } from "../errors.ts";
import type { TokenBudget } from "../store/usage.ts";

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

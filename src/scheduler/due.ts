import type { Kysely, Transaction } from "kysely";
import type { JobRow, RunRow, Tables } from "../database/schema.ts";
import type { Reach } from "./occurrences.ts";

/** Something whose time has come: an occurrence of a job, or a run that was queued. */
export type DueItem =
  | { readonly kind: "job"; readonly at: number; readonly row: JobRow }
  | { readonly kind: "run"; readonly at: number; readonly row: RunRow };

/**
 * The earliest due time within reach. One seek in an index for each action kind and table, in one statement;
 * `kind in (…)` would make SQLite read and sort every due row instead.
 */
export async function nextDueAt(
  db: Kysely<Tables>,
  { kinds, userKey, runId }: Reach,
): Promise<number | null> {
  if (kinds.length === 0) return null;
  const row = await db
    .selectNoFrom((eb) =>
      kinds.flatMap((kind) => {
        let jobs = eb
          .selectFrom("jobs")
          .select((e) => e.fn.min("next_run_at").as("at"))
          .where("kind", "=", kind)
          .where("next_run_at", "is not", null);
        let runs = eb
          .selectFrom("runs")
          .select((e) => e.fn.min("due_at").as("at"))
          .where("kind", "=", kind)
          .where("due_at", "is not", null);
        if (userKey !== undefined) {
          jobs = jobs.where("user_key", "=", userKey);
          runs = runs.where("user_key", "=", userKey);
        }
        if (runId !== undefined) return [runs.where("run_id", "=", runId).as(`run_${kind}`)];
        return [jobs.as(`job_${kind}`), runs.as(`run_${kind}`)];
      }),
    )
    .executeTakeFirst();
  const times = Object.values(row ?? {}).filter((at) => at !== null);
  return times.length > 0 ? Math.min(...times.map(Number)) : null;
}

/** Up to `limit` due items, oldest first; of the same moment, what a person asked for comes before the schedule. */
export async function findDue(
  trx: Transaction<Tables>,
  { kinds, userKey, runId }: Reach,
  now: number,
  limit: number,
): Promise<DueItem[]> {
  const items: DueItem[] = [];
  // A negative limit is none at all to SQLite.
  if (limit < 1) return items;
  for (const kind of kinds) {
    let runs = trx.selectFrom("runs").selectAll().where("kind", "=", kind).where("due_at", "<=", now);
    let jobs = trx.selectFrom("jobs").selectAll().where("kind", "=", kind).where("next_run_at", "<=", now);
    if (userKey !== undefined) {
      runs = runs.where("user_key", "=", userKey);
      jobs = jobs.where("user_key", "=", userKey);
    }
    if (runId !== undefined) runs = runs.where("run_id", "=", runId);
    for (const row of await runs.orderBy("due_at").limit(limit).execute()) {
      items.push({ kind: "run", at: row.due_at ?? now, row });
    }
    if (runId !== undefined) continue;
    for (const row of await jobs.orderBy("next_run_at").limit(limit).execute()) {
      items.push({ kind: "job", at: row.next_run_at ?? now, row });
    }
  }
  return items.sort((a, b) => a.at - b.at).slice(0, limit);
}

import type { Database } from "../database/database.ts";
import type { JobRow } from "../database/schema.ts";
import { DAY_MS } from "../jobs/time.ts";
import { dayOf } from "./usage.ts";

/** Rows that are read, and mostly left, in one step. */
const ROWS_AT_ONCE = 200;
/** No limit reads the use of an earlier day than today. One more is kept, because the clocks of nodes may differ. */
const KEEP_USAGE_DAYS = 2;

/** True for a job that came to its end before `endedBefore`. A file's job is not: its file may come back. */
export const isOver = (
  { status, file, updated_at }: Pick<JobRow, "status" | "file" | "updated_at">,
  endedBefore: number,
): boolean => (status === "completed" || status === "cancelled") && file === null && updated_at < endedBefore;

/**
 * Looks at the next jobs by id, and deletes those that are over, have no run left, and are named by no other job. Resolves
 * to the last id; undefined when there were no more.
 */
export async function deleteEndedJobs(
  db: Database,
  endedBefore: number,
  onDeleted: (jobs: number) => void,
  after = "",
): Promise<string | undefined> {
  const rows = await db.kysely
    .selectFrom("jobs")
    .select(["job_id", "user_key", "status", "file", "updated_at"])
    .where("job_id", ">", after)
    .orderBy("job_id")
    .limit(ROWS_AT_ONCE)
    .execute();
  const over = rows.filter((row) => isOver(row, endedBefore));
  if (over.length > 0)
    await db.transact(
      async (trx, users) => {
        // A user whose lock another transaction holds is left to the next pass.
        for (const [userKey, ofUser] of Map.groupBy(over, ({ user_key }) => user_key))
          if (await users.tryTake(userKey)) onDeleted(await deleteUnused(trx, ofUser, endedBefore));
      },
      { of: null },
    );
  return rows.length === ROWS_AT_ONCE ? rows.at(-1)?.job_id : undefined;
}

/** Checks each job again under its user's lock. Resolves to how many were deleted. */
async function deleteUnused(
  trx: Database["kysely"],
  rows: readonly Pick<JobRow, "job_id">[],
  endedBefore: number,
): Promise<number> {
  const found = await trx
    .selectFrom("jobs")
    .select(["job_id", "status", "file", "updated_at"])
    .where(
      "job_id",
      "in",
      rows.map(({ job_id }) => job_id),
    )
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom("runs")
            .select("run_id")
            .whereRef("runs.user_key", "=", "jobs.user_key")
            .whereRef("runs.job_id", "=", "jobs.job_id"),
        ),
      ),
    )
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom("jobs as dependent")
            .select("dependent.job_id")
            .whereRef("dependent.user_key", "=", "jobs.user_key")
            .whereRef("dependent.after_job", "=", "jobs.job_id")
            .where("dependent.after_job", "is not", null),
        ),
      ),
    )
    .execute();
  const ids = found.filter((row) => isOver(row, endedBefore)).map(({ job_id }) => job_id);
  if (ids.length === 0) return 0;
  await trx.deleteFrom("job_usage").where("job_id", "in", ids).execute();
  await trx.deleteFrom("jobs").where("job_id", "in", ids).execute();
  return ids.length;
}

/** Looks at the next users, and deletes their use of days that no limit reads. Resolves as `deleteEndedJobs` does. */
export async function deleteOldUsage(db: Database, now: number, after = ""): Promise<string | undefined> {
  const before = dayOf(now - KEEP_USAGE_DAYS * DAY_MS);
  const rows = await db.kysely
    .selectFrom("daily_usage")
    .select(["user_key", "day"])
    .where("user_key", ">", after)
    .orderBy("user_key")
    .orderBy("day")
    .limit(ROWS_AT_ONCE)
    .execute();
  const users = [...new Set(rows.filter(({ day }) => day < before).map(({ user_key }) => user_key))];
  if (users.length > 0)
    await db.transact(
      (trx) =>
        trx.deleteFrom("daily_usage").where("user_key", "in", users).where("day", "<", before).execute(),
      { of: null },
    );
  return rows.length === ROWS_AT_ONCE ? rows.at(-1)?.user_key : undefined;
}

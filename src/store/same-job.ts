import type { Kysely } from "kysely";
import type { Tables } from "../database/schema.ts";
import type { Job } from "../jobs/job.ts";
import { sameTimes } from "../jobs/schedule.ts";
import { toJobRow, tryReadJob } from "./job-rows.ts";

/** So many active jobs with the same action are looked at. */
const MOST_ALIKE = 50;

/** The owner's active job that does the same at the same times in the same way, whoever made it; null without one. */
export async function findSameJob(db: Kysely<Tables>, job: Job): Promise<Job | null> {
  const { detail, user_key, kind } = toJobRow(job, null);
  // The detail begins with the action; a whole comparison follows, for few rows.
  const action = detail.slice(0, detail.indexOf(',"schedule":'));
  const rows = await db
    .selectFrom("jobs")
    .selectAll()
    .where("user_key", "=", user_key)
    .where("status", "=", "active")
    .where("kind", "=", kind)
    .where("file", "is", null)
    .where(({ eb, fn, lit, cast, val }) =>
      eb(fn<string>("substr", ["detail", lit(1), cast(val([...action].length), "integer")]), "=", action),
    )
    .orderBy("job_id", "desc")
    .limit(MOST_ALIKE)
    .execute();
  return rows.map(tryReadJob).find((stored) => stored !== null && isSame(stored, job)) ?? null;
}

/** The owner's job that was made with this key; null without one. */
export async function findJobOfKey(db: Kysely<Tables>, userKey: string, key: string): Promise<Job | null> {
  const row = await db
    .selectFrom("jobs")
    .selectAll()
    .where("user_key", "=", userKey)
    .where("idempotency_key", "=", key)
    .executeTakeFirst();
  return row ? tryReadJob(row) : null;
}

function isSame(stored: Job, job: Job): boolean {
  const rest = ({ name, action, timezone, limits, policy, tools, provision }: Job) =>
    JSON.stringify([name, action, timezone, limits, policy, tools, provision]);
  return sameTimes(stored, job) && rest(stored) === rest(job);
}

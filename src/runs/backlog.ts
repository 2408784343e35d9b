import type { Database } from "../database/open-sqlite.ts";
import type { Action } from "../jobs/job.ts";

/** What is due and was not started yet: of everybody, on all nodes. */
export interface Backlog {
  /** Jobs and queued runs, counted up to 10,000 of each. */
  readonly depth: number;
  /** Epoch ms; null when nothing is due. */
  readonly oldestDueAt: number | null;
}

const KINDS = ["prompt", "tool", "code"] as const satisfies readonly Action["kind"][];
const MOST = 10_000;

/** By the indexes of what is due, in one statement, whatever the number of jobs. */
export async function readBacklog({ kysely }: Database, now: number): Promise<Backlog> {
  const row = await kysely
    .selectNoFrom((eb) =>
      KINDS.flatMap((kind) => {
        const jobs = eb
          .selectFrom("jobs")
          .where("kind", "=", kind)
          .where("next_run_at", "is not", null)
          .where("next_run_at", "<=", now);
        const runs = eb
          .selectFrom("runs")
          .where("kind", "=", kind)
          .where("due_at", "is not", null)
          .where("due_at", "<=", now);
        const dueJobs = jobs.select("job_id").limit(MOST).as("own");
        const dueRuns = runs.select("run_id").limit(MOST).as("own");
        return [
          eb.selectFrom(dueJobs).select(eb.fn.countAll().as("n")).as(`count_job_${kind}`),
          eb.selectFrom(dueRuns).select(eb.fn.countAll().as("n")).as(`count_run_${kind}`),
          jobs.select((e) => e.fn.min("next_run_at").as("at")).as(`at_job_${kind}`),
          runs.select((e) => e.fn.min("due_at").as("at")).as(`at_run_${kind}`),
        ];
      }),
    )
    .executeTakeFirstOrThrow();
  const columns = Object.entries(row);
  const counts = columns.filter(([name]) => name.startsWith("count")).map(([, n]) => Number(n));
  const times = columns.flatMap(([name, at]) => (name.startsWith("at") && at !== null ? [Number(at)] : []));
  return {
    depth: counts.reduce((sum, n) => sum + n, 0),
    oldestDueAt: times.length > 0 ? Math.min(...times) : null,
  };
}

import type { Config } from "../config.ts";
import type { Log } from "../log.ts";
import { createLeftJobs } from "../store/left-jobs.ts";
import type { ClaimFilter } from "../store/run-queue.ts";
import { runnableKinds } from "./serving.ts";

export interface RunnableDeps {
  readonly config: Config;
  readonly log: Pick<Log, "warn">;
  readonly now: () => number;
  /** True for the tools that ghosts can have here. */
  readonly offers: (tool: string) => boolean;
}

/** What this process can run. The rest is left for a process that can: see `waiting_because` in get_job. */
export function runnableHere({ config, log, now, offers }: RunnableDeps): ClaimFilter {
  const left = createLeftJobs({
    offers,
    now,
    onLeft: (job_id, tool) =>
      log.warn(
        { job_id, tool },
        "a due job names a tool that this process has not; it is left for one that has",
      ),
  });
  return { kinds: runnableKinds(config), left };
}

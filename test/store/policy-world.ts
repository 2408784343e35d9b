import { beforeEach } from "vitest";
import type { JobStore, NewJob, RunStore } from "../../src/jobs/contracts.ts";
import { DEFAULT_POLICY, type Policy } from "../../src/jobs/job.ts";
import type { Run, RunResult } from "../../src/jobs/run.ts";
import type { Claimed } from "../../src/store/run-queue.ts";
import { type Backend, newJob, openWorld, resultOf, START, type World } from "../world.ts";

export const MINUTE = 60_000;
export const OK = resultOf("succeeded");

interface State {
  readonly world: World;
  readonly jobs: JobStore;
  readonly runs: RunStore;
  /** The runs that were stored as skipped by a claim. */
  readonly refused: Run[];
  /** How often a claim asked running runs to stop. */
  cancelling: number;
}

/** Opens a world for one user's jobs before each test. `newJob` has a job that is due each minute. */
export function usePolicyWorld(backend: Backend) {
  let state: State;
  beforeEach(async () => {
    const world = await openWorld(backend);
    const { jobs, runs } = world.user("a");
    state = { world, jobs, runs, refused: [], cancelling: 0 };
  });
  const claim = (limit = 16): Promise<readonly Claimed[]> =>
    state.world.claim({
      limit,
      leaseMs: 30 * MINUTE,
      onSkipped: (run) => state.refused.push(run),
      onCancelling: () => state.cancelling++,
    });
  const finish = (claimed: Claimed | undefined, outcome: RunResult = OK) =>
    state.world.finish(claimed?.run.runId ?? "none", outcome);
  const minutes = (list: readonly { run: Run }[]) =>
    list.map(({ run }) => (run.scheduledFor - START) / MINUTE);
  return {
    /** What the test has opened, and what its claims have reported. */
    state: () => state,
    claim,
    finish,
    minutes,
    add: (policy: Partial<Policy>, change: Partial<NewJob> = {}) =>
      state.jobs.create(newJob({ policy: { ...DEFAULT_POLICY, ...policy }, ...change })),
    countersOf: async (jobId: string) => (await state.jobs.counters([jobId])).get(jobId),
    statuses: async () => (await state.runs.list()).runs.map(({ status }) => status).sort(),
    /** Claims and ends what is due until nothing is: the minutes in the order they were started. */
    async drain(most = 100): Promise<number[]> {
      const seen: number[] = [];
      for (let i = 0; i < most; i++) {
        const claimed = await claim();
        if (claimed.length === 0) break;
        seen.push(...minutes(claimed));
        for (const one of claimed) await finish(one);
      }
      return seen;
    },
  };
}

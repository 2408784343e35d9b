import type { ModelOutages } from "../model/outages.ts";
import type { Claimed, ClaimFilter, RunQueue } from "../store/run-queue.ts";

type ClaimOptions = Parameters<RunQueue["claimDue"]>[0];

/** The same queue, which claims no prompt that may not start now. Everything else is claimed as before. */
export function limitPrompts(runQueue: RunQueue, outages: ModelOutages, now: () => number): RunQueue {
  let isPromptsTurn = false;
  const claimAll = async (options: ClaimOptions): Promise<readonly Claimed[]> => {
    const claimed = await runQueue.claimDue(options);
    for (const { run, job } of claimed) if (job.action.kind === "prompt") outages.started(run);
    return claimed;
  };
  const claimPrompts = async (options: ClaimOptions): Promise<Claimed[]> => {
    const claimed: Claimed[] = [];
    const { filter, places } = options;
    while (claimed.length < options.limit) {
      const { most = options.limit, paused = [] } = outages.limits() ?? {};
      const limit = Math.min(most, options.limit - claimed.length);
      if (limit <= 0 || (filter.userKey !== undefined && paused.includes(filter.userKey))) break;
      const more = await claimAll({
        ...options,
        limit,
        filter: { ...filter, kinds: ["prompt"] },
        places: withStarted(places, paused, claimed),
      });
      if (more.length === 0) break;
      claimed.push(...more);
    }
    return claimed;
  };
  return {
    ...runQueue,
    async claimDue(options) {
      const { filter, limit } = options;
      if (!filter.kinds.includes("prompt") || !outages.limits()) return claimAll(options);
      const claimOthers = (ofRest: ClaimOptions) =>
        claimAll({ ...ofRest, filter: withoutPrompts(ofRest.filter) });
      // Now the one and now the other first, so that neither takes every free place.
      isPromptsTurn = !isPromptsTurn;
      const [first, second] = isPromptsTurn ? [claimPrompts, claimOthers] : [claimOthers, claimPrompts];
      const claimed = await first(options);
      const left = limit - claimed.length;
      if (left === 0) return claimed;
      const places = withStarted(options.places, [], claimed);
      return [...claimed, ...(await second({ ...options, limit: left, places }))];
    },
    async nextDueAt(filter) {
      const limits = filter.kinds.includes("prompt") ? outages.limits() : undefined;
      if (!limits) return runQueue.nextDueAt(filter);
      const others = await runQueue.nextDueAt(withoutPrompts(filter));
      const prompts = await runQueue.nextDueAt({ ...filter, kinds: ["prompt"] });
      const times = [others, prompts && (prompts <= now() ? limits.nextAt : prompts)];
      return times.reduce((a, b) => (a === null || b === null ? (a ?? b) : Math.min(a, b)), null);
    },
  };
}

const withoutPrompts = (filter: ClaimFilter): ClaimFilter => ({
  ...filter,
  kinds: filter.kinds.filter((kind) => kind !== "prompt"),
});

/** The places of users, with those taken that were just claimed, and none for `paused`. */
function withStarted(
  places: ClaimOptions["places"],
  paused: readonly string[],
  started: readonly Claimed[],
): NonNullable<ClaimOptions["places"]> {
  const held = new Map(places?.held);
  for (const { run } of started) held.set(run.userKey, (held.get(run.userKey) ?? 0) + 1);
  for (const userKey of paused) held.set(userKey, Number.MAX_SAFE_INTEGER);
  return { limit: places?.limit ?? Number.MAX_SAFE_INTEGER, held };
}

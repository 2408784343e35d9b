import { NightshiftError } from "../errors.ts";

/** Shares the connections of one pool among users: nobody's calls take all of them, and some stay free for the program. */
export interface FairQueue {
  /** Runs `work` when a place is free and the user is next. Rejects with DATA_UNAVAILABLE when that does not come in time. */
  run<T>(userKey: string, work: () => Promise<T>): Promise<T>;
  /** True while calls wait for so long that one more of this user is better refused at once. */
  isSlow(userKey: string): boolean;
}

export interface FairQueueOptions {
  /** Connections of the pool. */
  readonly poolSize: number;
  /** How long a call may wait for its place, in ms. */
  readonly timeoutMs: number;
}

interface Waiter {
  readonly since: number;
  readonly start: () => void;
}

interface UserCalls {
  active: number;
  readonly waiting: Set<Waiter>;
}

/** At most half of the connections are one user's, and a fifth is left for what no user has asked for. */
export function createFairQueue({ poolSize, timeoutMs }: FairQueueOptions): FairQueue {
  /** How long the next call has waited when `isSlow` begins to say so. */
  const slowMs = timeoutMs / 10;
  const places = Math.max(1, poolSize - Math.ceil(poolSize / 5));
  const perUser = Math.max(1, Math.floor(poolSize / 2));
  let taken = 0;
  /** Users with calls, in the order in which they are served. Few can be passed over: each of those has a place. */
  const users = new Map<string, UserCalls>();

  const nextUser = (): [string, UserCalls] | undefined => {
    for (const entry of users) if (entry[1].waiting.size > 0 && entry[1].active < perUser) return entry;
    return undefined;
  };
  const startNext = (): void => {
    while (taken < places) {
      const [userKey, calls] = nextUser() ?? [];
      if (userKey === undefined || !calls) return;
      // To the end: everybody else is served first.
      users.delete(userKey);
      users.set(userKey, calls);
      const [waiter] = calls.waiting;
      if (waiter) calls.waiting.delete(waiter);
      calls.active++;
      taken++;
      waiter?.start();
    }
  };
  const leave = (userKey: string, calls: UserCalls): void => {
    if (calls.active === 0 && calls.waiting.size === 0 && users.get(userKey) === calls) users.delete(userKey);
  };
  const waitForPlace = (userKey: string, calls: UserCalls): Promise<void> =>
    new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const waiter: Waiter = {
        since: performance.now(),
        start() {
          clearTimeout(timer);
          resolve();
        },
      };
      calls.waiting.add(waiter);
      startNext();
      if (!calls.waiting.has(waiter)) return;
      timer = setTimeout(() => {
        calls.waiting.delete(waiter);
        leave(userKey, calls);
        reject(new NightshiftError("DATA_UNAVAILABLE", BUSY));
      }, timeoutMs).unref();
    });
  const hasWaitedLong = (calls: UserCalls | undefined): boolean => {
    const [first] = calls?.waiting ?? [];
    return first !== undefined && performance.now() - first.since > slowMs;
  };
  return {
    async run(userKey, work) {
      const calls = users.get(userKey) ?? { active: 0, waiting: new Set() };
      users.set(userKey, calls);
      await waitForPlace(userKey, calls);
      try {
        return await work();
      } finally {
        calls.active--;
        taken--;
        leave(userKey, calls);
        startNext();
      }
    },
    isSlow: (userKey) => hasWaitedLong(users.get(userKey)) || hasWaitedLong(nextUser()?.[1]),
  };
}

const BUSY = "The database is busy with calls that came before; try again in a moment.";

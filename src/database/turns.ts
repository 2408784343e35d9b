import { NightshiftError } from "../errors.ts";

/** Shares the connections of one pool among users: nobody's calls take all of them, and some stay free for the program. */
export interface Turns {
  /** Runs `work` when it is the user's turn. Rejects with DATA_UNAVAILABLE when that does not come in time. */
  run<T>(userKey: string, work: () => Promise<T>): Promise<T>;
  /** True while calls wait for so long that one more of this user is better refused at once. */
  isSlow(userKey: string): boolean;
}

export interface TurnsOptions {
  /** Connections of the pool. */
  readonly poolSize: number;
  /** How long a call may wait for its turn, in ms. */
  readonly timeoutMs: number;
  /** How long the next call has waited when `isSlow` begins to say so, in ms. Default: a tenth of `timeoutMs`. */
  readonly slowMs?: number;
}

interface Waiter {
  readonly since: number;
  readonly start: () => void;
}

interface Line {
  active: number;
  readonly waiting: Set<Waiter>;
}

/** At most half of the connections are one user's, and a fifth is left for what no user has asked for. */
export function createTurns({ poolSize, timeoutMs, slowMs = timeoutMs / 10 }: TurnsOptions): Turns {
  const places = Math.max(1, poolSize - Math.ceil(poolSize / 5));
  const perUser = Math.max(1, Math.floor(poolSize / 2));
  let taken = 0;
  /** Users with calls, whose turn comes first first. Few can be passed over: each of those has a place. */
  const lines = new Map<string, Line>();

  const nextLine = (): [string, Line] | undefined => {
    for (const entry of lines) if (entry[1].waiting.size > 0 && entry[1].active < perUser) return entry;
    return undefined;
  };
  const startNext = (): void => {
    while (taken < places) {
      const [userKey, line] = nextLine() ?? [];
      if (userKey === undefined || !line) return;
      // To the end: the turn of everybody else comes first.
      lines.delete(userKey);
      lines.set(userKey, line);
      const [waiter] = line.waiting;
      if (waiter) line.waiting.delete(waiter);
      line.active++;
      taken++;
      waiter?.start();
    }
  };
  const leave = (userKey: string, line: Line): void => {
    if (line.active === 0 && line.waiting.size === 0 && lines.get(userKey) === line) lines.delete(userKey);
  };
  const waitForTurn = (userKey: string, line: Line): Promise<void> =>
    new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const waiter: Waiter = {
        since: performance.now(),
        start() {
          clearTimeout(timer);
          resolve();
        },
      };
      line.waiting.add(waiter);
      startNext();
      if (!line.waiting.has(waiter)) return;
      timer = setTimeout(() => {
        line.waiting.delete(waiter);
        leave(userKey, line);
        reject(new NightshiftError("DATA_UNAVAILABLE", BUSY));
      }, timeoutMs).unref();
    });
  const isOld = (line: Line | undefined): boolean => {
    const [first] = line?.waiting ?? [];
    return first !== undefined && performance.now() - first.since > slowMs;
  };
  return {
    async run(userKey, work) {
      const line = lines.get(userKey) ?? { active: 0, waiting: new Set() };
      lines.set(userKey, line);
      await waitForTurn(userKey, line);
      try {
        return await work();
      } finally {
        line.active--;
        taken--;
        leave(userKey, line);
        startNext();
      }
    },
    isSlow: (userKey) => isOld(lines.get(userKey)) || isOld(nextLine()?.[1]),
  };
}

const BUSY = "The database is busy with calls that came before; try again in a moment.";

/** The work that this process does for callers: calls of tools and other requests, by principal. */
export interface WorkInProgress {
  /** Notes that work begins. `name` is the tool's or the method's. */
  begin(userKey: string, name: string): Work;
  /** Work of the principal that goes on although its call is over: it was cancelled, timed out, or its caller has gone. */
  unfinished(userKey: string): number;
  /** Of all principals together, for metrics. */
  readonly unfinishedTotal: number;
  /** The names of what was at work at some time since this was last called. */
  takeNames(): readonly string[];
}

interface Work {
  /** The call is over. May be called after `ended`, and twice. */
  answered(): void;
  /** The work itself has ended. */
  ended(): void;
}

export function createWorkInProgress(): WorkInProgress {
  const atWork = new Map<string, number>();
  const endedNames = new Set<string>();
  const unfinished = new Map<string, number>();
  let unfinishedTotal = 0;
  const addUnfinished = (userKey: string, amount: number) => {
    unfinishedTotal += amount;
    addTo(unfinished, userKey, amount);
  };
  return {
    begin(userKey, name) {
      let state: "open" | "answered" | "ended" = "open";
      addTo(atWork, name, 1);
      return {
        answered() {
          if (state !== "open") return;
          state = "answered";
          addUnfinished(userKey, 1);
        },
        ended() {
          if (state === "ended") return;
          if (state === "answered") addUnfinished(userKey, -1);
          state = "ended";
          addTo(atWork, name, -1);
          endedNames.add(name);
        },
      };
    },
    unfinished: (userKey) => unfinished.get(userKey) ?? 0,
    get unfinishedTotal() {
      return unfinishedTotal;
    },
    takeNames() {
      const names = [...new Set([...endedNames, ...atWork.keys()])];
      endedNames.clear();
      return names;
    },
  };
}

function addTo(counts: Map<string, number>, key: string, amount: number): void {
  const count = (counts.get(key) ?? 0) + amount;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}

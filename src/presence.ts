/** Whether people are being served in this process, whoever they are: ghosts leave them a processor then. */
export interface Presence {
  /** A request of somebody's is at hand. */
  note(): void;
  readonly isAnyoneHere: boolean;
}

/** Somebody at work makes a call now and then. */
const LINGER_MS = 10_000;

export function createPresence(now: () => number = () => performance.now()): Presence {
  let notedAt = Number.NEGATIVE_INFINITY;
  return {
    note() {
      notedAt = now();
    },
    get isAnyoneHere() {
      return now() - notedAt < LINGER_MS;
    },
  };
}

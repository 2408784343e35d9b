/** Whether people are being served in this process, whoever they are: ghosts leave them a processor then. */
export interface Activity {
  /** A request of somebody's is at hand. */
  note(): void;
  readonly isInUse: boolean;
}

/** Somebody at work makes a call now and then. */
const LINGER_MS = 10_000;

export function createActivity(now: () => number = () => performance.now()): Activity {
  let notedAt = Number.NEGATIVE_INFINITY;
  return {
    note() {
      notedAt = now();
    },
    get isInUse() {
      return now() - notedAt < LINGER_MS;
    },
  };
}

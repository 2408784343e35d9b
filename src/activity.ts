/** Tells whether this process has served a request lately: while it does, ghosts leave a processor free. */
export interface Activity {
  /** Notes a request. */
  note(): void;
  readonly isInUse: boolean;
}

/** The process counts as in use for so long after a request. */
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

const SAMPLES = 3;
const SKEW_LOOK_MS = 60_000;
/** Correcting less is not worth a clock that jumps. */
const NOTICEABLE_MS = 250;

export interface SkewOptions {
  /** Resolves to Postgres's time, in epoch ms. */
  readonly readPostgresTime: () => Promise<number>;
  /** Our time, in epoch ms. */
  readonly now: () => number;
  /** Called with the ms that Postgres is ahead of `now`, when that is noticeable. */
  readonly onSkew: (aheadMs: number) => void;
}

/**
 * Compares our clock with Postgres's, now and once a minute: nodes whose clocks differ must agree on which runs are due
 * and which leases have ended. Rejects when the first comparison fails. Resolves to a function that ends it.
 */
export async function watchClock(options: SkewOptions): Promise<() => void> {
  await compare(options);
  const timer = setInterval(() => void compare(options).catch(() => {}), SKEW_LOOK_MS).unref();
  return () => clearInterval(timer);
}

async function compare({ readPostgresTime, now, onSkew }: SkewOptions): Promise<void> {
  /** The sample with the shortest trip, whose error is at most half of that. */
  let best: { readonly tripMs: number; readonly aheadMs: number } | undefined;
  for (let i = 0; i < SAMPLES; i++) {
    const from = performance.now();
    const theirs = await readPostgresTime();
    const tripMs = performance.now() - from;
    if (!best || tripMs < best.tripMs) best = { tripMs, aheadMs: theirs + tripMs / 2 - now() };
  }
  if (best && Math.abs(best.aheadMs) > NOTICEABLE_MS + best.tripMs) onSkew(Math.round(best.aheadMs));
}

const SAMPLES = 3;
const LOOK_MS = 60_000;
/** Less is not worth a clock that jumps. */
const NOTICEABLE_MS = 250;

export interface SkewOptions {
  /** Postgres's time, in epoch ms. */
  readonly ask: () => Promise<number>;
  /** Ours. */
  readonly now: () => number;
  /** Told by how many ms Postgres is ahead of `now`, when that is noticeable. */
  readonly onSkew: (aheadMs: number) => void;
}

/**
 * Compares our clock with Postgres's, now and once a minute: nodes whose clocks differ must agree about what is due and
 * whose lease is over. Rejects when the first comparison fails; resolves to what ends it.
 */
export async function watchClock(options: SkewOptions): Promise<() => void> {
  await compare(options);
  const timer = setInterval(() => void compare(options).catch(() => {}), LOOK_MS).unref();
  return () => clearInterval(timer);
}

async function compare({ ask, now, onSkew }: SkewOptions): Promise<void> {
  let best: { readonly tripMs: number; readonly aheadMs: number } | undefined;
  for (let i = 0; i < SAMPLES; i++) {
    const from = performance.now();
    const theirs = await ask();
    const tripMs = performance.now() - from;
    if (!best || tripMs < best.tripMs) best = { tripMs, aheadMs: theirs + tripMs / 2 - now() };
  }
  if (best && Math.abs(best.aheadMs) > NOTICEABLE_MS + best.tripMs) onSkew(Math.round(best.aheadMs));
}

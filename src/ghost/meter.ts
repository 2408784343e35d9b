/** What a thread may send in one burst, what it may send each second on top, and how long its record may get. */
const BURST = 3_000;
const PER_SECOND = 300;
const MAX_CHARS_IN_ALL = 64_000_000;

/** Counts what a thread sends: an honest ghost stays far below, a flood is stopped at its beginning. */
export function createRateLimit(now: () => number = () => performance.now()) {
  let selection = BURST;
  let last = now();
  let chars = 0;
  return {
    /** False when this message is one too many. */
    allow(messageChars: number): boolean {
      const at = now();
      selection = Math.min(BURST, selection + ((at - last) / 1_000) * PER_SECOND) - 1;
      last = at;
      chars += messageChars;
      return selection >= 0 && chars <= MAX_CHARS_IN_ALL;
    },
  };
}

import { describe, expect, it } from "vitest";
import { backoff, createKeyedLocks, retry } from "../src/async.ts";

/** Work that fails so many times before it succeeds. */
function failing(times: number) {
  let tries = 0;
  return {
    work: async () => {
      if (++tries <= times) throw new Error(`failure ${tries}`);
      return tries;
    },
    tries: () => tries,
  };
}

describe("a retry", () => {
  it("tries until the work succeeds, and reports each failure before that", async () => {
    const failures: unknown[] = [];
    const onFailure = (error: unknown) => void failures.push((error as Error).message);
    expect(await retry(failing(2).work, { delayMs: () => 0, onFailure })).toBe(3);
    expect(failures).toEqual(["failure 1", "failure 2"]);
  });

  it("rejects with the last failure when there are no more delays, or another try is not worth it", async () => {
    const delayMs = (tries: number) => (tries < 3 ? 0 : undefined);
    await expect(retry(failing(9).work, { delayMs })).rejects.toThrow("failure 3");
    const isWorthIt = (error: unknown) => (error as Error).message !== "failure 2";
    await expect(retry(failing(9).work, { delayMs, isWorthIt })).rejects.toThrow("failure 2");
  });

  it("makes no further try once its time is over, or its signal aborts", async () => {
    const late = failing(9);
    await expect(retry(late.work, { delayMs: () => 0, timeoutMs: 0 })).rejects.toThrow("failure 1");
    const stopped = failing(9);
    const signal = AbortSignal.abort();
    await expect(retry(stopped.work, { signal })).rejects.toMatchObject({ name: "AbortError" });
    expect([late.tries(), stopped.tries()]).toEqual([1, 1]);
  });

  it("waits twice as long each time, up to the longest, less up to half at random", () => {
    for (const [i, longest] of [2, 4, 8, 10, 10].entries()) {
      const delayMs = backoff(2, 10)(i + 1);
      expect(delayMs).toBeGreaterThanOrEqual(longest / 2);
      expect(delayMs).toBeLessThanOrEqual(longest);
    }
  });
});

describe("keyed locks", () => {
  it("let one piece of work of each key through at a time, in order, and go on after a failure", async () => {
    const locks = createKeyedLocks();
    const done: string[] = [];
    const release = await locks.lock("a");
    const first = locks.run("a", async () => {
      done.push("first of a");
      throw new Error("no");
    });
    const second = locks.run("a", async () => done.push("second of a"));
    await locks.run("b", async () => done.push("b"));
    expect(done).toEqual(["b"]);
    release();
    await expect(first).rejects.toThrow("no");
    await second;
    expect(done).toEqual(["b", "first of a", "second of a"]);
  });
});

import { setImmediate } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import { createThreadLimiter } from "../../src/scheduler/threads.ts";
import type { StartedThread } from "../../src/scheduler/worker.ts";

/** Threads that are loaded when the test says so, in the order in which they were started. */
function launches() {
  const loading: { name: string; loaded: () => void; failed: (error: Error) => void }[] = [];
  const launch = (name: string) => async () => {
    const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
    loading.push({ name, loaded: resolve, failed: reject });
    return { ready } as unknown as StartedThread;
  };
  return { launch, loading, names: () => loading.map(({ name }) => name).join("") };
}

describe("the limit on loading threads", () => {
  it("starts so many at once, and the others in order, also after one that fails", async () => {
    const { launch, loading, names } = launches();
    const limiter = createThreadLimiter(() => 2);
    for (const name of "abcde") void limiter.run(launch(name));
    await setImmediate();
    expect(names()).toBe("ab");
    loading[0]?.failed(new Error("it did not load"));
    await setImmediate();
    expect(names()).toBe("abc");
    loading[1]?.loaded();
    loading[2]?.loaded();
    await setImmediate();
    expect(names()).toBe("abcde");
  });

  it("follows the current limit: fewer while the server is in use, more when it is not", async () => {
    const { launch, loading, names } = launches();
    let width = 1;
    const limiter = createThreadLimiter(() => width);
    for (const name of "abcdefg") void limiter.run(launch(name));
    await setImmediate();
    expect(names()).toBe("a");
    width = 3;
    loading[0]?.loaded();
    await setImmediate();
    expect(names()).toBe("abcd");
    width = 1;
    loading[1]?.loaded();
    loading[2]?.loaded();
    await setImmediate();
    expect(names()).toBe("abcd");
    loading[3]?.loaded();
    await setImmediate();
    expect(names()).toBe("abcde");
  });

  it("waits some seconds for a thread that does not load, and then no longer", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const { launch, loading, names } = launches();
      const limiter = createThreadLimiter(() => 1);
      for (const name of "abc") void limiter.run(launch(name));
      await setImmediate();
      await vi.advanceTimersByTimeAsync(4_000);
      expect(names()).toBe("a");
      await vi.advanceTimersByTimeAsync(2_000);
      expect(names()).toBe("ab");
      // When it loads late after all, it frees no second place.
      loading[0]?.loaded();
      await setImmediate();
      expect(names()).toBe("ab");
    } finally {
      vi.useRealTimers();
    }
  });

  it("starts everything once the limit is lifted, and rejects with the error of the launch", async () => {
    const { launch, names } = launches();
    const limiter = createThreadLimiter(() => 1);
    for (const name of "abc") void limiter.run(launch(name));
    const broken = limiter.run(() => Promise.reject(new Error("no such file")));
    limiter.lift();
    await expect(broken).rejects.toThrow("no such file");
    expect(names()).toBe("abc");
  });
});

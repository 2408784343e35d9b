import { describe, expect, it } from "vitest";
import { shareFlushes } from "../../src/database/wal.ts";

/** A sync that ends when the test says so. */
function heldSync() {
  const started: PromiseWithResolvers<void>[] = [];
  const flush = shareFlushes(() => {
    const held = Promise.withResolvers<void>();
    started.push(held);
    return held.promise;
  });
  return { started, flush };
}

const nextTick = () => new Promise((resolve) => setImmediate(resolve));

describe("flushes of the write-ahead log", () => {
  it("make whoever comes during one wait for the next, all together", async () => {
    const { started, flush } = heldSync();
    const done: string[] = [];
    void flush().then(() => done.push("first"));
    void flush().then(() => done.push("second"));
    void flush().then(() => done.push("third"));
    expect(started).toHaveLength(1);
    started[0]?.resolve();
    await nextTick();
    expect(done).toEqual(["first"]);
    expect(started).toHaveLength(2);
    started[1]?.resolve();
    await nextTick();
    expect(done).toEqual(["first", "second", "third"]);
    expect(started).toHaveLength(2);
  });

  it("tell a failure to those who waited for it, and try again for the next", async () => {
    const { started, flush } = heldSync();
    const first = expect(flush()).rejects.toThrow("disk");
    const second = flush();
    started[0]?.reject(new Error("disk"));
    await first;
    await nextTick();
    started[1]?.resolve();
    await second;
    const sendPipelined = flush();
    started[2]?.resolve();
    await sendPipelined;
  });
});

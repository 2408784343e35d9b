import { describe, expect, it } from "vitest";
import { createFairQueue } from "../../src/database/fair-queue.ts";
import { eventually } from "../harness.ts";

/** Work that lasts until the test ends it; what has begun, in order. */
function openWork(options: Parameters<typeof createFairQueue>[0]) {
  const fairQueue = createFairQueue(options);
  const begun: string[] = [];
  const ends: (() => void)[] = [];
  const ask = (userKey: string) =>
    fairQueue.run(userKey, () => {
      begun.push(userKey);
      return new Promise<void>((resolve) => ends.push(resolve));
    });
  const endOne = async () => {
    const before = begun.length;
    ends.shift()?.();
    await eventually(async () => begun.length > before);
  };
  return { fairQueue, begun, ends, ask, endOne };
}

describe("a fair queue at a pool of connections", () => {
  it("leave half of it to others, and a fifth to the program", async () => {
    const { begun, ask } = openWork({ poolSize: 10, timeoutMs: 60_000 });
    for (let i = 0; i < 200; i++) void ask("greedy").catch(() => {});
    await eventually(async () => begun.length > 0);
    expect(begun).toEqual(Array(5).fill("greedy"));
    for (let i = 0; i < 200; i++) void ask("second").catch(() => {});
    await eventually(async () => begun.length > 5);
    expect(begun.slice(5)).toEqual(Array(3).fill("second"));
  });

  it("are given to the waiting users one after the other, however many calls each has", async () => {
    const { begun, ask, endOne } = openWork({ poolSize: 1, timeoutMs: 60_000 });
    for (let i = 0; i < 50; i++) void ask("greedy");
    for (const user of ["b", "c"]) for (let i = 0; i < 2; i++) void ask(user);
    await eventually(async () => begun.length > 0);
    for (let i = 0; i < 6; i++) await endOne();
    expect(begun).toEqual(["greedy", "greedy", "b", "c", "greedy", "b", "c"]);
  });

  it("come back after work that fails, and leave nothing of a user behind", async () => {
    const { fairQueue } = openWork({ poolSize: 1, timeoutMs: 60_000 });
    const fail = () => fairQueue.run("a", () => Promise.reject(new Error("no")));
    for (let i = 0; i < 3; i++) await expect(fail()).rejects.toThrow("no");
    expect(await fairQueue.run("a", async () => 7)).toBe(7);
    expect(fairQueue.isSlow("a")).toBe(false);
  });

  it("that do not come in time are refused, and told of before", async () => {
    const { fairQueue, ask, ends } = openWork({ poolSize: 4, timeoutMs: 1_000 });
    const held = [ask("greedy"), ask("greedy")];
    const late = ask("greedy");
    late.catch(() => {});
    await eventually(async () => fairQueue.isSlow("greedy"));
    // There are places for another user, but not for two.
    expect(fairQueue.isSlow("other")).toBe(false);
    held.push(ask("other"));
    const waiting = ask("third");
    waiting.catch(() => {});
    await eventually(async () => fairQueue.isSlow("fourth"));
    await expect(late).rejects.toMatchObject({ code: "DATA_UNAVAILABLE" });
    await expect(waiting).rejects.toMatchObject({ code: "DATA_UNAVAILABLE" });
    expect(fairQueue.isSlow("greedy")).toBe(false);
    for (const end of ends) end();
    await Promise.all(held);
    expect(await fairQueue.run("greedy", async () => "served")).toBe("served");
  });
});

import { writeFile } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import os from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { pino } from "pino";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Log } from "../../src/log.ts";
import { openThreads } from "../../src/scheduler/threads.ts";
import { eventually, tempDir } from "../harness.ts";

const READY = `const { workerData: { port }, threadId } = require("node:worker_threads");
port.postMessage("ready"); port.on("message", (m) => port.postMessage(threadId + ":" + m));`;

/** A thread that never reports that it is loaded. */
const SILENT = `const { workerData: { port } } = require("node:worker_threads"); port.on("message", () => {});`;

async function threadsOf(
  body: string,
  spare: number,
  { log = pino({ level: "silent" }), ...limits }: { log?: Log; most?: number; isInUse?: () => boolean } = {},
) {
  const threadFile = join(await tempDir(), "thread.js");
  await writeFile(threadFile, body);
  const threads = openThreads({ spare, memoryMb: 64, log, threadFile, ...limits });
  onTestFinished(() => threads.close());
  return threads;
}

/** Sends the question to the thread. Resolves to its first answer. */
const askThread = (port: import("node:worker_threads").MessagePort, question: string) =>
  new Promise<string>((resolve) => {
    port.on("message", (said: string) => said !== "ready" && resolve(said));
    port.postMessage(question);
  });

describe("threads", () => {
  it("start nothing until they are needed", async () => {
    const threads = await threadsOf(READY, 2);
    await wait(50);
    expect(threads.size).toBe(0);
  });

  it("keep spares, use each once, and replace it", async () => {
    const threads = await threadsOf(READY, 2);
    await threads.warm();
    expect(threads.size).toBe(2);
    const one = await threads.take();
    const two = await threads.take();
    const answers = await Promise.all([askThread(one.port, "a"), askThread(two.port, "b")]);
    expect(new Set(answers.map((answer) => answer.split(":")[0])).size).toBe(2);
    await eventually(async () => threads.size === 4);
    await one.terminate();
    await two.terminate();
    expect(threads.size).toBe(2);
  });

  it("keep no spare beyond what may be at once, and have one again when there is room", async () => {
    const threads = await threadsOf(READY, 2, { most: 3 });
    await threads.warm();
    expect(threads.size).toBe(2);
    const [one] = [await threads.take(), await threads.take()];
    await eventually(async () => threads.size === 3);
    await threads.take();
    await threads.warm();
    await wait(100);
    expect(threads.size).toBe(3);
    await one.terminate();
    await threads.warm();
    expect(threads.size).toBe(3);
  });

  it("work without spares", async () => {
    const threads = await threadsOf(READY, 0);
    const { port, terminate } = await threads.take();
    expect(await askThread(port, "hello")).toMatch(/:hello$/);
    await terminate();
    await terminate();
    expect(threads.size).toBe(0);
  });

  it("tell how they ended", async () => {
    for (const [body, end] of [
      ["process.exit(3)", { kind: "exited", code: 3 }],
      ["throw new Error('broken')", { kind: "crashed", error: "broken", outOfMemory: false }],
    ] as const) {
      const threads = await threadsOf(body, 0);
      expect(await (await threads.take()).exited).toEqual(end);
    }
  });

  it("are not started again and again when they cannot start", async () => {
    const threads = await threadsOf("throw new Error('broken')", 2);
    await threads.warm();
    await eventually(async () => threads.size === 0);
    await wait(200);
    expect(threads.size).toBe(0);
    expect(await (await threads.take()).exited).toMatchObject({ kind: "crashed" });
  });

  it("are replaced when they end before they are needed: nobody is given a dead one", async () => {
    const flag = JSON.stringify(join(await tempDir(), "flag"));
    const fs = `require("node:fs")`;
    const threads = await threadsOf(
      `if (!${fs}.existsSync(${flag})) { ${fs}.writeFileSync(${flag}, ""); process.exit(1); }\n${READY}`,
      1,
    );
    await threads.warm();
    await eventually(async () => threads.size === 0);
    await wait(50);
    const { port, exited } = await threads.take();
    expect(await Promise.race([askThread(port, "hello"), exited])).toMatch(/:hello$/);
  });

  it("leave a processor free: one thread fewer loads at once while the server is in use", async () => {
    const { availableParallelism } = os;
    os.availableParallelism = () => 3;
    syncBuiltinESMExports();
    try {
      let isInUse = true;
      const threads = await threadsOf(SILENT, 5, { isInUse: () => isInUse });
      void threads.warm();
      await eventually(async () => threads.size === 2);
      await wait(200);
      expect(threads.size).toBe(2);
      isInUse = false;
      const others = await threadsOf(SILENT, 5, { isInUse: () => isInUse });
      void others.warm();
      await eventually(async () => others.size === 3);
    } finally {
      os.availableParallelism = availableParallelism;
      syncBuiltinESMExports();
    }
  });

  it("say so when their file is not there", async () => {
    const threads = openThreads({
      spare: 1,
      memoryMb: 64,
      log: pino({ level: "silent" }),
      threadFile: "/no/such.js",
    });
    onTestFinished(() => threads.close());
    await threads.warm();
    await expect(threads.take()).rejects.toThrow(/no\/such\.js/);
  });

  it("close, whatever they do", async () => {
    const threads = await threadsOf(
      `const { workerData: { port } } = require("node:worker_threads"); for (;;);`,
      1,
    );
    await threads.take();
    await threads.take();
    await eventually(async () => threads.size >= 2);
    await threads.close();
    expect(threads.size).toBe(0);
    await expect(threads.take()).rejects.toMatchObject({ code: "CONTEXT_CLOSED" });
  });

  it("close also while some wait until others have loaded, and those never start", async () => {
    const threads = await threadsOf(SILENT, 0);
    const width = os.availableParallelism();
    const taken = Array.from({ length: width + 2 }, () => threads.take());
    const refused = Promise.allSettled(taken.slice(width));
    await Promise.all(taken.slice(0, width));
    await threads.close();
    expect(threads.size).toBe(0);
    expect(await refused).toMatchObject(Array(2).fill({ reason: { code: "CONTEXT_CLOSED" } }));
  });

  it("keep what they print out of stdout, and log a part of it at debug", async () => {
    const lines: string[] = [];
    const log = pino({ level: "debug" }, { write: (line) => lines.push(line) });
    const threads = await threadsOf(
      "for (let i = 0; i < 1000; i++) console.log('printed '.repeat(100));",
      0,
      { log },
    );
    await (await threads.take()).exited;
    await eventually(async () => lines.length > 0);
    expect(lines.join("")).toContain("printed");
    expect(lines.join("").length).toBeLessThan(20_000);
  });
});

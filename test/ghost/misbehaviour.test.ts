import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { tempDir } from "../harness.ts";
import { openGhostWorld } from "./ghost-world.ts";

/** A world with a code job that runs `body`, and a well-behaved one to run beside it. */
async function openWorldWith(body: string, options: Parameters<typeof openGhostWorld>[0] = {}) {
  const jobsDir = await tempDir();
  await writeFile(join(jobsDir, "bad.ts"), `export default { run: async (ghost) => {\n${body}\n} };\n`);
  await writeFile(join(jobsDir, "good.ts"), `export default { run: async () => "well" };\n`);
  const world = await openGhostWorld({ jobsDir, ...options });
  return {
    world,
    /** Runs both at once: the good one must succeed, whatever the bad one does. */
    async runBoth(timeoutSeconds = 10) {
      const bad = await world.addJob({ kind: "code", file: "bad.ts" }, { limits: { timeoutSeconds } });
      const good = await world.addJob({ kind: "code", file: "good.ts" });
      await world.loop.tick();
      await world.loop.idle();
      expect(await world.runOf(good.jobId)).toMatchObject({ status: "succeeded", output: "well" });
      expect(world.threads.size).toBe(0);
      return world.runOf(bad.jobId);
    },
  };
}

describe("a ghost that misbehaves ends as a sentence, and alone", () => {
  it("calls process.exit", async () => {
    const { runBoth } = await openWorldWith("process.exit(7);");
    expect(await runBoth()).toMatchObject({
      status: "failed",
      error: {
        code: "GHOST_CRASHED",
        message: "The ghost's thread ended with exit code 7 before its work was done.",
      },
    });
  });

  it("calls process.exit with messages still on their way", async () => {
    const { runBoth } = await openWorldWith(
      `for (let i = 1; i <= 900; i++) ghost.note("n" + i); process.exit(7);`,
    );
    const run = await runBoth();
    expect(run.error?.code).toBe("GHOST_CRASHED");
    expect(run.transcript.at(-1)?.text).toBe("n900");
  });

  const leaks = {
    "piles up small arrays": "const kept = []; for (;;) kept.push(new Array(10_000).fill(Math.random()));",
    "piles up arrays larger than the heap's headroom":
      "const kept = []; for (;;) kept.push(new Array(1e7).fill(0.5));",
    "piles up buffers, which are in no heap": "const kept = []; for (;;) kept.push(Buffer.alloc(10e6, 1));",
    "leaks slowly":
      "const kept = []; setInterval(() => kept.push(new Array(1e6).fill({})), 5); await new Promise(() => {});",
  };
  for (const [what, body] of Object.entries(leaks))
    it(what, async () => {
      const { runBoth } = await openWorldWith(body);
      expect(await runBoth(60)).toMatchObject({
        status: "failed",
        error: {
          code: "GHOST_CRASHED",
          message: "The ghost ran out of memory; NIGHTSHIFT_GHOST_MEMORY_MB sets how much a ghost may have.",
        },
      });
    });

  it("spins forever", async () => {
    const { runBoth } = await openWorldWith("for (;;);");
    expect(await runBoth(1)).toMatchObject({
      status: "timed_out",
      error: {
        code: "GHOST_TIMED_OUT",
        message: "Stopped after 1 s: that is the time this job's timeout_seconds gives a run.",
      },
    });
  });

  it("ignores its abort signal", async () => {
    const { runBoth } = await openWorldWith(
      `ghost.note("before"); ghost.signal.addEventListener("abort", () => ghost.note("told to stop")); await new Promise((r) => setTimeout(r, 60_000));`,
    );
    // Long enough for the thread to begin on a busy machine.
    const run = await runBoth(3);
    expect(run.status).toBe("timed_out");
    expect(run.transcript.map(({ text }) => text)).toEqual(["before", "told to stop"]);
  });

  it("waits for nothing, in vain", async () => {
    const { runBoth } = await openWorldWith("await new Promise(() => {});");
    expect((await runBoth(1)).status).toBe("timed_out");
  });

  it("blocks in Atomics.wait", async () => {
    const { runBoth } = await openWorldWith("Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);");
    expect((await runBoth(1)).status).toBe("timed_out");
  });

  it("throws in a timer", async () => {
    const { runBoth } = await openWorldWith(
      `setTimeout(() => { throw new Error("from a timer"); }, 10); await new Promise((r) => setTimeout(r, 5_000));`,
    );
    expect(await runBoth()).toMatchObject({
      status: "failed",
      error: {
        code: "GHOST_CRASHED",
        message: "The ghost's code threw an error that nothing caught: from a timer",
      },
    });
  });

  it("leaves a rejected promise behind", async () => {
    const { runBoth } = await openWorldWith(
      `Promise.reject(new Error("left behind")); await new Promise((r) => setTimeout(r, 5_000));`,
    );
    expect((await runBoth()).error?.message).toMatch(/nothing caught: left behind/);
  });

  it("throws something that is no error", async () => {
    for (const nothing of ["null", "undefined"]) {
      const { runBoth } = await openWorldWith(`throw ${nothing};`);
      const message = `The job's code threw ${nothing}, which says nothing about what failed.`;
      expect(await runBoth()).toMatchObject({ status: "failed", error: { code: "INTERNAL", message } });
    }
  });

  it("posts 'done' and a flood of messages to the parent's port, where nobody listens", async () => {
    const { runBoth } = await openWorldWith(`
      const { parentPort } = await import("node:worker_threads");
      parentPort.postMessage("done");
      for (let i = 0; i < 100_000; i++) parentPort.postMessage("x".repeat(100));
      return "still here";`);
    expect(await runBoth()).toMatchObject({ status: "succeeded", output: "still here" });
  });

  it("cannot find its own port in workerData", async () => {
    const { runBoth } = await openWorldWith(`
      const { workerData } = await import("node:worker_threads");
      return Object.keys(workerData);`);
    expect((await runBoth()).output).toBe("[]");
  });

  it("notes without end, and is cut short with a note", async () => {
    const { runBoth } = await openWorldWith(
      `for (let i = 0; i < 50_000; i++) ghost.note("n" + i); return "noted";`,
    );
    const run = await runBoth();
    expect(run).toMatchObject({ status: "succeeded", output: "noted" });
    expect(run.transcript).toHaveLength(1_000);
    expect(run.transcript.at(-1)?.text).toMatch(/too many/);
  });

  it("notes more than a transcript may hold, and the rest is kept without its text", async () => {
    const { runBoth } = await openWorldWith(`for (let i = 0; i < 100; i++) ghost.note("x".repeat(20_000));`);
    const run = await runBoth();
    expect([run.status, run.transcript.length]).toEqual(["succeeded", 100]);
    expect(run.transcript.at(-1)?.text).toBe("[not kept: the transcript is too long]");
    expect(JSON.stringify(run.transcript).length).toBeLessThan(1_100_000);
  });

  it("floods the port with questions", async () => {
    const { runBoth } = await openWorldWith(
      `await Promise.all(Array.from({ length: 1_200 }, (_, i) => ghost.ask("question " + i)));`,
      { script: () => ({ text: "slow", delayMs: 5_000 }) },
    );
    expect((await runBoth()).error).toEqual({
      code: "GHOST_CRASHED",
      message: "The ghost was ended: it asked too many things at once.",
    });
  });

  it("prints to stdout and stderr, which reaches neither", async () => {
    const { world, runBoth } = await openWorldWith(
      `console.log("to stdout"); console.error("to stderr"); process.stdout.write("x".repeat(100_000)); return "printed";`,
    );
    const written: string[] = [];
    const write = process.stdout.write;
    process.stdout.write = ((chunk: string) => written.push(String(chunk)) > 0) as never;
    try {
      expect((await runBoth()).output).toBe("printed");
    } finally {
      process.stdout.write = write;
    }
    expect(written.join("")).toBe("");
    const printed = world.lines
      .flatMap((line) => (typeof line.printed === "string" ? [line.printed] : []))
      .join("");
    expect(printed.length).toBeLessThanOrEqual(4_096);
  });

  it("answers with more than an output may be", async () => {
    const { runBoth } = await openWorldWith(`return "x".repeat(5_000_000);`);
    const { status, output } = await runBoth();
    expect(status).toBe("succeeded");
    expect(output).toHaveLength(200_000);
    expect(output).toMatch(/\[cut: 5000000 characters in all\]$/);
  });

  it("returns what cannot be JSON", async () => {
    const { runBoth } = await openWorldWith("const a = {}; a.a = a; return a;");
    expect((await runBoth()).status).toBe("failed");
  });
});

describe("a thread that breaks the rules of the port", () => {
  const threads: [string, string, RegExp][] = [
    [
      "sends something that is not JSON",
      "port.postMessage({ type: 'outcome' });",
      /not one of a ghost's messages/,
    ],
    [
      "sends an unknown message",
      "port.postMessage(JSON.stringify({ type: 'promote_me' }));",
      /not one of a ghost's/,
    ],
    [
      "sends a message of 20 MB",
      "port.postMessage('\"' + 'x'.repeat(20_000_000) + '\"');",
      /not one of a ghost's/,
    ],
    [
      "floods",
      'for (let i = 0; i < 200_000; i++) port.postMessage(\'{"type":"ready"}\');',
      /more messages than/,
    ],
    [
      "says it timed out by itself",
      `port.postMessage(JSON.stringify({ type: "outcome", status: "lost", output: null, error: null }));`,
      /not one of/,
    ],
    ["fails before it has begun", "throw new Error('broken module');", /nothing caught: broken module/],
  ];
  for (const [what, body, message] of threads)
    it(what, async () => {
      const threadFile = join(await tempDir(), "thread.js");
      await writeFile(
        threadFile,
        `const { workerData: { port } } = require("node:worker_threads"); port.once("message", () => { ${body} });`,
      );
      const world = await openGhostWorld({ threadFile });
      const run = await world.runJob({ kind: "tool", tool: "whoami", arguments: {} });
      expect(run).toMatchObject({ status: "failed", error: { code: "GHOST_CRASHED" } });
      expect(run.error?.message).toMatch(message);
      expect(world.threads.size).toBe(0);
    });
});

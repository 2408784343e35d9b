import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { getContext, getEntityType } from "../../src/context/current-context.ts";
import type { ToolCall, ToolSpec } from "../../src/tools/define.ts";
import { openProgram } from "../program.ts";
import { codeOf, errorIn, openToolWorld, textIn } from "./tool-world.ts";

const never = () => new Promise(() => {});

/** A tool that counts per instance, and records when its instances are made and disposed. */
function counter() {
  const made: { disposed: number; userId: string }[] = [];
  const spec: ToolSpec<never> = {
    name: "count",
    description: "Counts its calls.",
    create: ({ userId }) => {
      const instance = { disposed: 0, userId };
      made.push(instance);
      let calls = 0;
      return {
        run: () => ({ calls: ++calls, of: userId }),
        dispose: () => {
          instance.disposed++;
        },
      };
    },
  };
  return { spec, made };
}

describe("the tools of a context", () => {
  it("are its own: made when first called, once, and shared with no other context", async () => {
    const { spec, made } = counter();
    const [alice, bob, again] = [
      openToolWorld([spec]),
      openToolWorld([spec], { user: "bob" }),
      openToolWorld([spec]),
    ];
    expect(made).toHaveLength(0);
    for (const world of [alice, bob, alice, again, alice]) await world.toolkit.call("count");
    expect((await alice.toolkit.call("count")).structuredContent).toEqual({ calls: 4, of: "alice" });
    expect((await bob.toolkit.call("count")).structuredContent).toEqual({ calls: 2, of: "bob" });
    expect(made.map(({ userId }) => userId)).toEqual(["alice", "bob", "alice"]);
  });

  it("have one instance also when their first calls come at once", async () => {
    const { spec, made } = counter();
    const { toolkit } = openToolWorld([spec]);
    const results = await Promise.all(Array.from({ length: 50 }, () => toolkit.call("count")));
    expect(results.map((result) => result.structuredContent?.calls)).toEqual(
      Array.from({ length: 50 }, (_, i) => i + 1),
    );
    expect(made).toHaveLength(1);
  });

  it("have a registry id like no other", () => {
    const ids = Array.from({ length: 500 }, () => openToolWorld([]).toolkit.registryId);
    expect(new Set(ids).size).toBe(500);
    const { toolkit, context } = openToolWorld([]);
    expect(toolkit.registryId).toMatch(
      new RegExp(`^user_${context.userKey.slice(0, 12)}_${context.runId}_\\d{13}$`),
    );
  });

  it("run as that context, 200 at once of 20 users", async () => {
    const spec: ToolSpec<never> = {
      name: "who",
      description: "Looks around after a while.",
      run: async () => {
        await wait(Math.random() * 5);
        return { user: getContext()?.userId, entity: getEntityType() };
      },
    };
    const kits = Array.from({ length: 20 }, (_, i) => openToolWorld([spec], { user: `user_${i}` }));
    const calls = Array.from({ length: 200 }, (_, i) => kits[i % 20]?.toolkit.call("who"));
    const seen = (await Promise.all(calls)).map((result) => result?.structuredContent);
    expect(seen).toEqual(
      Array.from({ length: 200 }, (_, i) => ({ user: `user_${i % 20}`, entity: "human" })),
    );
    expect(getContext()).toBeUndefined();
  });

  it("know who they work for, but not the key under which data is kept", async () => {
    let face: object = {};
    const create: ToolSpec<never>["create"] = (context) => {
      face = context;
      return { run: () => "ok" };
    };
    const { toolkit, context } = openToolWorld([{ name: "peek", description: "Peeks.", create }]);
    await toolkit.call("peek");
    expect(Object.isFrozen(face)).toBe(true);
    expect(face).toMatchObject({ userId: "alice", entityType: "human", runId: context.runId });
    expect(JSON.stringify(face)).not.toContain(context.userKey);
  });
});

describe("a call that takes too long", () => {
  it("is answered in time, although the tool ignores its signal", async () => {
    let signal: AbortSignal | undefined;
    const run = (_args: never, call: ToolCall) => {
      signal = call.signal;
      return never();
    };
    const { toolkit, logged } = openToolWorld([
      { name: "stuck", description: "Never ends.", timeoutMs: 30, run },
    ]);
    const result = await toolkit.call("stuck");
    expect(codeOf(result)).toBe("TOOL_TIMED_OUT");
    expect(textIn(result)).toBe("stuck did not answer within 0.03 s and was stopped. [TOOL_TIMED_OUT]");
    expect(signal?.aborted).toBe(true);
    expect(signal?.reason).toMatchObject({ code: "TOOL_TIMED_OUT" });
    expect(logged).toEqual([]);
  });

  it("finds its signal aborted, with the reason, although it looks at it only then", async () => {
    const { promise: seen, resolve } = Promise.withResolvers<AbortSignal>();
    const run = async (_args: never, call: ToolCall) => {
      await wait(60);
      resolve(call.signal);
    };
    const { toolkit } = openToolWorld([{ name: "late", description: "Looks late.", timeoutMs: 20, run }]);
    expect(codeOf(await toolkit.call("late"))).toBe("TOOL_TIMED_OUT");
    expect((await seen).reason).toMatchObject({ code: "TOOL_TIMED_OUT" });
    expect((await seen).aborted).toBe(true);
  });

  it("has a timer only when it does not answer at once", async () => {
    const { open } = await openProgram();
    const { toolkit } = open();
    const timers = vi.spyOn(globalThis, "setTimeout");
    onTestFinished(() => timers.mockRestore());
    expect((await toolkit.call("whoami")).isError).toBeUndefined();
    expect(timers).not.toHaveBeenCalled();
  });

  it("ends when its caller goes, and leaves the others alone", async () => {
    const run = async (_args: never, { signal }: ToolCall) => wait(60_000, undefined, { signal });
    const { toolkit } = openToolWorld([
      { name: "slow", description: "Waits.", run },
      { name: "stuck", description: "Never ends.", run: never },
      { name: "quick", description: "Waits a little.", run: () => wait(40, "done") },
    ]);
    const caller = new AbortController();
    const gone = ["slow", "stuck"].map((name) => toolkit.call(name, {}, { signal: caller.signal }));
    const staying = toolkit.call("quick");
    await wait(10);
    caller.abort();
    expect((await Promise.all(gone)).map(codeOf)).toEqual(["CANCELLED", "CANCELLED"]);
    expect(textIn(await staying)).toBe("done");
  });

  it("is not begun for a caller who has gone already", async () => {
    const { spec, made } = counter();
    const { toolkit } = openToolWorld([spec]);
    expect(codeOf(await toolkit.call("count", {}, { signal: AbortSignal.abort() }))).toBe("CANCELLED");
    expect(made).toHaveLength(0);
  });

  it("leaves no listener on a signal that lives longer", async () => {
    const { spec } = counter();
    const { toolkit } = openToolWorld([spec]);
    const warned: unknown[] = [];
    const onWarning = (warning: unknown) => warned.push(warning);
    process.on("warning", onWarning);
    const { signal } = new AbortController();
    for (let i = 0; i < 100; i++) await toolkit.call("count", {}, { signal });
    await wait(5);
    process.off("warning", onWarning);
    expect(warned).toEqual([]);
  });
});

describe("dispose", () => {
  it("aborts what runs, disposes each instance once, and takes no more calls", async () => {
    const { spec, made } = counter();
    const { toolkit } = openToolWorld([spec, { name: "stuck", description: "Never ends.", run: never }]);
    await toolkit.call("count");
    const running = toolkit.call("stuck");
    await wait(5);
    await Promise.all([toolkit.dispose(), toolkit.dispose()]);
    expect(codeOf(await running)).toBe("CANCELLED");
    await toolkit.dispose();
    expect(made).toEqual([{ disposed: 1, userId: "alice" }]);
    const late = await toolkit.call("count");
    expect(codeOf(late)).toBe("CONTEXT_CLOSED");
    expect(late.isError).toBe(true);
    expect(made).toHaveLength(1);
  });

  it("makes no instance for a call that came just before it", async () => {
    const { spec, made } = counter();
    const { toolkit } = openToolWorld([spec]);
    const call = toolkit.call("count");
    await toolkit.dispose();
    expect(codeOf(await call)).toMatch(/^(?:CANCELLED|CONTEXT_CLOSED)$/);
    expect(made.filter(({ disposed }) => disposed === 0)).toEqual([]);
  });

  it("comes with the end of the context's signal: calls end and no more are taken", async () => {
    const { toolkit, end } = openToolWorld([{ name: "stuck", description: "Never ends.", run: never }]);
    const running = toolkit.call("stuck");
    await wait(5);
    end();
    expect(codeOf(await running)).toBe("CANCELLED");
    expect(codeOf(await toolkit.call("stuck"))).toBe("CONTEXT_CLOSED");
  });

  it("goes on past an instance that fails or hangs, and tells the log", async () => {
    const { spec, made } = counter();
    const broken = (name: string, dispose: () => Promise<void>): ToolSpec<never> => ({
      name,
      description: "Cannot be disposed.",
      create: () => ({ run: () => "ok", dispose }),
    });
    const { toolkit, logged } = openToolWorld([
      broken("fails", () => Promise.reject(new Error("no"))),
      broken("hangs", () => new Promise(() => {})),
      spec,
    ]);
    for (const name of ["fails", "hangs", "count"]) await toolkit.call(name);
    await toolkit.dispose();
    expect(made[0]?.disposed).toBe(1);
    expect(logged.map(({ tool }) => tool).sort()).toEqual(["fails", "hangs"]);
  });

  it("reaches methods of an instance that is of a class", async () => {
    const events: string[] = [];
    class Classy {
      readonly #name = "classy";
      run() {
        return this.#name;
      }
      dispose() {
        events.push(`${this.#name} is gone`);
      }
    }
    const { toolkit } = openToolWorld([
      { name: "classy", description: "Has methods.", create: () => new Classy() },
    ]);
    expect(textIn(await toolkit.call("classy"))).toBe("classy");
    await toolkit.dispose();
    expect(events).toEqual(["classy is gone"]);
  });

  it("names the context's correlation id in each of its errors", async () => {
    const { toolkit, context } = openToolWorld([]);
    await toolkit.dispose();
    expect(errorIn(await toolkit.call("whoami"))?.correlation_id).toBe(context.correlationId);
  });
});

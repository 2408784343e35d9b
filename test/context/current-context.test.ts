import { setImmediate, setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import {
  getContext,
  getEntityMetadata,
  getEntityType,
  isHumanEntity,
  isSchedulerEntity,
  setEntityType,
  withContext,
} from "../../src/context/current-context.ts";
import { UNKNOWN_ENTITY } from "../../src/context/entity.ts";
import { type ContextSeed, createUserContext } from "../../src/context/user-context.ts";

const contextOf = (user: string, seed: Partial<ContextSeed> = {}) =>
  createUserContext({
    principal: { issuer: "test", subject: user },
    entityType: "human",
    signal: new AbortController().signal,
    ...seed,
  });

describe("where no context was set", () => {
  it("is an unknown entity, neither human nor automated", () => {
    expect(getContext()).toBeUndefined();
    expect(getEntityType()).toBe("unknown");
    expect(isHumanEntity()).toBe(false);
    expect(isSchedulerEntity()).toBe(false);
    expect(getEntityMetadata()).toEqual({
      job_id: null,
      entity_type: "unknown",
      is_automated: false,
      parent_session_id: null,
      prompt: null,
    });
    expect(Object.isFrozen(UNKNOWN_ENTITY)).toBe(true);
  });
});

describe("withContext", () => {
  it("lasts over awaits, timers, microtasks and callbacks, and no longer", async () => {
    const alice = contextOf("alice");
    const later = withContext(alice, async () => {
      expect(getContext()).toBe(alice);
      await setImmediate();
      expect(getContext()).toBe(alice);
      await wait(1);
      expect(getContext()).toBe(alice);
      const seen = await new Promise((resolve) => {
        process.nextTick(() => queueMicrotask(() => setTimeout(() => resolve(getContext()), 1)));
      });
      expect(seen).toBe(alice);
      return "done";
    });
    expect(getContext()).toBeUndefined();
    expect(await later).toBe("done");
    expect(getContext()).toBeUndefined();
  });

  it("keeps 1,000 interleaved contexts apart", async () => {
    const mixed = await Promise.all(
      Array.from({ length: 1_000 }, (_, i) => {
        const context = contextOf(`user_${i}`, { entityType: i % 2 === 0 ? "human" : "api" });
        return withContext(context, async () => {
          for (let step = 0; step < 20; step++) {
            if (getContext() !== context || getEntityType() !== context.entityType) return i;
            await (step % 3 === 0 ? wait((i * step) % 4) : step % 3 === 1 ? setImmediate() : undefined);
          }
          return undefined;
        });
      }),
    );
    expect(mixed.filter((i) => i !== undefined)).toEqual([]);
  });

  it("gives the outer context back when an inner one ends, also by throwing", async () => {
    const [alice, bob] = [contextOf("alice"), contextOf("bob")];
    await withContext(alice, async () => {
      await expect(
        withContext(bob, async () => {
          await setImmediate();
          expect(getContext()).toBe(bob);
          throw new Error("inner");
        }),
      ).rejects.toThrow("inner");
      expect(getContext()).toBe(alice);
      expect(() => withContext(bob, () => JSON.parse("{"))).toThrow(SyntaxError);
      expect(getContext()).toBe(alice);
    });
  });

  it("shows the metadata of a ghost", () => {
    const metadata = { job_id: "job_1", parent_session_id: "session_9", prompt: "Say hello." };
    const ghost = contextOf("alice", { entityType: "scheduler", metadata });
    withContext(ghost, () => {
      expect(isSchedulerEntity()).toBe(true);
      expect(isHumanEntity()).toBe(false);
      expect(getEntityMetadata()).toEqual({ ...metadata, entity_type: "scheduler", is_automated: true });
    });
  });
});

describe("setEntityType", () => {
  it("holds for the work it is given, without a user", async () => {
    await setEntityType("scheduler", async () => {
      await setImmediate();
      expect(getEntityType()).toBe("scheduler");
      expect(getEntityMetadata().is_automated).toBe(true);
      expect(getContext()).toBeUndefined();
    });
    expect(getEntityType()).toBe("unknown");
    setEntityType("api", () => expect(getEntityMetadata().is_automated).toBe(false));
  });
});

describe("a user context", () => {
  it("is frozen through and through", () => {
    const context = contextOf("alice", { metadata: { job_id: "job_1" } });
    expect(() => Object.assign(context, { userId: "bob" })).toThrow(TypeError);
    expect(() => Object.assign(context, { entityType: "scheduler" })).toThrow(TypeError);
    expect(() => Object.assign(context.metadata, { is_automated: true })).toThrow(TypeError);
    expect(() => Object.defineProperty(context, "extra", { value: 1 })).toThrow(TypeError);
    expect(context).toMatchObject({ userId: "alice", entityType: "human" });
  });

  it("takes what kind of entity acts from how it arrived, whatever the metadata says", () => {
    const lying = { entity_type: "human", is_automated: false } as const;
    expect(contextOf("alice", { entityType: "scheduler", metadata: lying }).metadata).toMatchObject({
      entity_type: "scheduler",
      is_automated: true,
    });
  });

  it("has ids of its own, each time", () => {
    const contexts = Array.from({ length: 100 }, () => contextOf("alice"));
    for (const key of ["sessionId", "threadId", "runId", "correlationId"] as const)
      expect(new Set(contexts.map((context) => context[key])).size, key).toBe(100);
    expect(new Set(contexts.map(({ userKey }) => userKey)).size).toBe(1);
  });
});

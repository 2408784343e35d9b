import { describe, expect, it } from "vitest";
import { readConfig } from "../../src/config.ts";
import { describeGhosts } from "../../src/ghost/capabilities.ts";
import { openJobStore } from "../../src/store/job-store.ts";
import { eventually } from "../harness.ts";
import { newJob } from "../world.ts";
import { openGhostWorld } from "./ghost-world.ts";

describe("the operator's limits of a run", () => {
  it("end it before its own timeout_seconds, and it says so", async () => {
    const world = await openGhostWorld({ script: () => ({ delayMs: 600_000 }), maxTimeoutSeconds: 1 });
    const run = await world.prompt("wait", { limits: { timeoutSeconds: 86_400 } });
    expect(run).toMatchObject({ status: "timed_out", error: { code: "GHOST_TIMED_OUT" } });
    expect(run.error?.message).toMatch(/^Stopped after 1 s: .* this server gives a run/);
  });

  it("are known to the tools that make jobs", () => {
    const config = readConfig({ maxTimeoutSeconds: 60 }, {});
    expect(describeGhosts(config, { tools: [] }).maxTimeoutSeconds).toBe(60);
  });

  it.each([
    [{ maxGhosts: 4 }, 2],
    [{ maxGhosts: 3 }, 1],
    [{ maxGhosts: 1 }, 1],
    [{ maxGhosts: 4, maxGhostsPerUser: 3 }, 3],
  ])("leave places for others while one user's runs go on: %j", async (given, most) => {
    const world = await openGhostWorld({ script: () => ({ delayMs: 600_000 }), ...given });
    for (let i = 0; i < 5; i++) await world.addJob({ kind: "prompt", prompt: `wait ${i}` });
    await world.loop.tick();
    await world.loop.tick();
    expect(world.loop.running).toHaveLength(most);
    if (given.maxGhosts === 1) return;

    const bob = openJobStore(world.db, { userId: "bob", userKey: "b".repeat(64), now: Date.now });
    const at = Date.now();
    await bob.create(newJob({ schedule: { kind: "at", at }, nextRunAt: at }));
    await eventually(async () => (await world.loop.tick()) === 1);
  });
});

import { describe, expect, it } from "vitest";
import { ask, openProgram } from "../program.ts";

const DAILY = { tool: { name: "whoami" }, cron: "0 9 * * *", timezone: "UTC" };
const idOf = async (...call: Parameters<typeof ask>) => (await ask(...call)).job_id;

describe("the same call twice", () => {
  it("is not two schedules, also when both come at once, and says so", async () => {
    const program = await openProgram();
    const alice = program.open();
    const both = await Promise.all([DAILY, DAILY].map((args) => ask(alice, "schedule_task", args)));
    expect(new Set(both.map(({ job_id }) => job_id)).size).toBe(1);
    expect(both.filter((job) => job.already_scheduled)).toHaveLength(1);
    const [{ job_id }] = both;
    const again = await program.open().toolkit.call("schedule_task", { ...DAILY, cron: "daily at 9:00" });
    expect(again.structuredContent).toMatchObject({ job_id, already_scheduled: true });
    expect(again.content[0]?.text).toMatch(
      /^Already scheduled, and not made again: job_.*allow_duplicate: true/,
    );
    const hourly = { tool: { name: "whoami" }, every: "1h" };
    expect(await idOf(alice, "schedule_task", hourly)).toBe(await idOf(alice, "schedule_task", hourly));
    expect((await ask(alice, "list_jobs")).jobs).toHaveLength(2);
  });

  it("is a second schedule where anything differs, it is allowed, or the first one is over", async () => {
    const program = await openProgram();
    const alice = program.open();
    const first = await idOf(alice, "schedule_task", DAILY);
    const others = [
      { ...DAILY, name: "Mine" },
      { ...DAILY, cron: "0 10 * * *" },
      { ...DAILY, timezone: "Asia/Tokyo" },
      { ...DAILY, tool: { name: "current_time" } },
      { ...DAILY, policy: { overlap: "buffer_one" } },
      { ...DAILY, allow_duplicate: true },
    ];
    const ids = [first];
    for (const args of others) ids.push(await idOf(alice, "schedule_task", args));
    expect(new Set(ids).size).toBe(7);
    expect(await ask(program.open("bob"), "schedule_task", DAILY)).not.toHaveProperty("already_scheduled");
    for (const job_id of ids) await ask(alice, "cancel_job", { job_id });
    expect(await ask(alice, "schedule_task", DAILY)).not.toHaveProperty("already_scheduled");
  });

  it("with an idempotency_key is one job, whatever has become of it", async () => {
    const program = await openProgram();
    const alice = program.open();
    const keyed = { ...DAILY, idempotency_key: "order-7" };
    const first = await idOf(alice, "schedule_task", { ...keyed, allow_duplicate: true });
    await ask(alice, "update_job", { job_id: first, name: "Changed" });
    await ask(alice, "cancel_job", { job_id: first });
    expect(await ask(alice, "schedule_task", keyed)).toMatchObject({
      job_id: first,
      already_scheduled: true,
      status: "cancelled",
    });
    expect(await idOf(program.open("bob"), "schedule_task", keyed)).not.toBe(first);
    expect(await idOf(alice, "schedule_task", { ...DAILY, idempotency_key: "order-8" })).not.toBe(first);
  });
});

import { describe, expect, it } from "vitest";
import { cli } from "../child-process.ts";
import { eventually } from "../harness.ts";
import { ask, endedRun, openProgram } from "../program.ts";
import { startReceiver } from "../webhooks/receiver.ts";

const AHEAD_MS = 400 * 86_400_000;
const TOOL = { tool: { name: "current_time", arguments: {} }, timezone: "UTC" };
const SCHEDULES = [
  { cron: "* * * * *" },
  { cron: "0 9 * * *" },
  { cron: "0 9 * * MON", jitter_seconds: 600 },
  { every_seconds: 3_600 },
  { every_seconds: 3_600, starts_at: "2090-01-01 00:00:00" },
];
/** The longest time to the next run of each. 2090 is not due before its time. */
const WITHIN_MS = [60_000, 86_400_000, 7 * 86_400_000 + 600_000, 3_600_000, Number.POSITIVE_INFINITY];

type Context = Parameters<typeof ask>[0];
const nextOf = async (context: Context, ids: readonly string[]) => {
  const jobs = await Promise.all(ids.map((job_id) => ask(context, "get_job", { job_id })));
  return jobs.map(({ next_runs }) => Date.parse(next_runs[0]));
};
const schedule = async (context: Context) => {
  const ids: string[] = [];
  for (const times of SCHEDULES)
    ids.push((await ask(context, "schedule_task", { ...TOOL, ...times })).job_id);
  return ids;
};
const areSoon = (next: readonly number[]) =>
  next.every((at, i) => at - Date.now() <= (WITHIN_MS[i] ?? 0) + 5_000);
const doctor = async (dir: string, ...flags: string[]) =>
  JSON.parse((await cli(["doctor", "--json", "--data", dir, ...flags])).stdout);

describe("a clock that was ahead and is set right", () => {
  it("is found at the start, and each job has its own next time again", async () => {
    const before = await openProgram({ now: () => Date.now() + AHEAD_MS });
    const ids = await schedule(before.open());
    const queued = await ask(before.open(), "run_job", { job_id: ids[1] });
    await before.close();
    const sick = await doctor(before.dataDir);
    expect(sick.ok).toBe(false);
    expect(JSON.stringify(sick)).toContain("later than its schedule says: the clock was ahead (and 3 more)");

    const after = await openProgram({ dataDir: before.dataDir, scheduler: true });
    const next = await eventually(async () => {
      const times = await nextOf(after.open(), ids);
      return areSoon(times) && times;
    });
    expect(next.every((at) => at > Date.now() - 5_000)).toBe(true);
    expect(next[4]).toBe(Date.UTC(2090, 0, 1));
    expect(after.lines.filter(({ jobs }) => jobs === 5)).toHaveLength(1);
    expect(await endedRun(after.open(), ids[1] ?? "", queued.run_id)).toMatchObject({ status: "succeeded" });
    await after.close();
    expect((await doctor(before.dataDir)).ok).toBe(true);
  });

  it("is found while the server runs", async () => {
    let aheadMs = AHEAD_MS;
    const program = await openProgram({ now: () => Date.now() + aheadMs, scheduler: true });
    const alice = program.open();
    const ids = await schedule(alice);
    expect(areSoon(await nextOf(alice, ids))).toBe(false);
    const often = await ask(alice, "schedule_task", { ...TOOL, cron: "* * * * * *" });
    await endedRun(alice, often.job_id);
    const before = (await ask(alice, "get_job", { job_id: often.job_id })).counters.runs_started;
    aheadMs = 0;
    expect(await eventually(async () => areSoon(await nextOf(alice, ids)))).toBe(true);
    const goesOn = async () =>
      (await ask(alice, "get_job", { job_id: often.job_id })).counters.runs_started > before + 1;
    expect(await eventually(goesOn)).toBe(true);
  });

  it("holds back no webhook that was to be sent again", async () => {
    const receiver = await startReceiver();
    receiver.reply(500);
    const before = await openProgram({
      scheduler: true,
      webhookAllowPrivate: true,
      now: () => Date.now() + AHEAD_MS,
    });
    const job = { ...TOOL, cron: "0 9 * * *", webhook_url: receiver.url };
    const { job_id } = await ask(before.open(), "schedule_task", job);
    const { run_id } = await ask(before.open(), "run_job", { job_id, wait: true });
    await eventually(async () => {
      const [delivery] = (await ask(before.open(), "get_run", { run_id })).deliveries;
      return delivery?.attempts === 1 && delivery.last_status === 500;
    });
    await before.close();
    expect(JSON.stringify(await doctor(before.dataDir))).toContain("the clock was ahead");
    receiver.reply(204);
    const after = await openProgram({ dataDir: before.dataDir, scheduler: true, webhookAllowPrivate: true });
    await eventually(async () => receiver.received.length === 2, 20_000);
    await after.close();
    expect(JSON.stringify(await doctor(before.dataDir))).not.toContain("the clock was ahead");
  });

  it("is repaired by the doctor", async () => {
    const program = await openProgram({ now: () => Date.now() + AHEAD_MS });
    const ids = await schedule(program.open());
    await program.close();
    const { ok, repairs } = await doctor(program.dataDir, "--repair");
    expect({ ok, repaired: repairs.length }).toEqual({ ok: true, repaired: 4 });
    const again = await openProgram({ dataDir: program.dataDir });
    expect(areSoon(await nextOf(again.open(), ids))).toBe(true);
  });

  it("leaves a job alone whose clock was never ahead", async () => {
    const program = await openProgram({ scheduler: true });
    const ids = await schedule(program.open());
    const before = await nextOf(program.open(), ids.slice(1));
    await program.close();
    expect((await doctor(program.dataDir)).ok).toBe(true);
    const again = await openProgram({ dataDir: program.dataDir, scheduler: true });
    expect(await nextOf(again.open(), ids.slice(1))).toEqual(before);
  });
});

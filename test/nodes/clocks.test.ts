import { expect, it, onTestFinished, vi } from "vitest";
import { eventually, tempDir } from "../harness.ts";
import { openCaller } from "../http/caller.ts";
import { serve } from "../http/harness.ts";
import { openPostgres } from "../postgres.ts";
import { ask, endedRun, openProgram } from "../program.ts";

const SKEW_MS = 30_000;
const TWICE_THE_LEASE_MS = 2_000;

it("nodes whose clocks differ by a minute start nothing early, and mark nobody's runs as lost", async () => {
  const { url: databaseUrl } = await openPostgres();
  const open = async (skewMs: number) =>
    openProgram({
      databaseUrl,
      dataDir: await tempDir(),
      now: () => Date.now() + skewMs,
      scheduler: true,
      leaseMs: TWICE_THE_LEASE_MS / 2,
      script: () => ({ text: "Done.", delayMs: 2 * TWICE_THE_LEASE_MS }),
    });
  const [slow, fast] = [await open(-SKEW_MS), await open(SKEW_MS)];
  for (const { lines } of [slow, fast])
    expect(lines.filter(({ msg }) => /another time/.test(String(msg)))).toHaveLength(1);
  const at = Date.now() + 1_500;
  const jobs = await Promise.all(
    [slow, fast, slow, fast].map(async (node) => {
      const due = { prompt: "Say done.", execute_at: new Date(at).toISOString() };
      return (await ask(node.open(), "schedule_task", due)).job_id as string;
    }),
  );
  for (const job of jobs) {
    const run = await endedRun(slow.open(), job);
    expect(run.status).toBe("succeeded");
    expect(Date.parse(run.started_at)).toBeGreaterThanOrEqual(at - 1_000);
    expect(run.late_by_seconds).toBeLessThan(15);
  }
}, 60_000);

it("a stream ends with its key by the database's clock, whatever the node's own says", async () => {
  const { url: databaseUrl } = await openPostgres();
  const realNow = Date.now;
  const ahead = vi.spyOn(Date, "now").mockImplementation(() => realNow() + 600_000);
  onTestFinished(() => ahead.mockRestore());
  const node = await serve({ databaseUrl });
  const soon = await node.key("alice", { expiresAt: realNow() + 8_000 });
  const later = await node.key("alice", { expiresAt: realNow() + 300_000 });
  const [short, long] = [
    await (await openCaller("modern", node, soon)).listen([]),
    await (await openCaller("modern", node, later)).listen([]),
  ];
  expect([short.status, long.status]).toEqual([200, 200]);
  const isOver = { long: false };
  void long.ended.then(() => {
    isOver.long = true;
  });
  await short.ended;
  expect(isOver.long).toBe(false);
}, 60_000);

it("one user who takes every connection keeps nobody out for long", async () => {
  const { url: databaseUrl } = await openPostgres();
  const program = await openProgram({ databaseUrl, databasePool: 2 });
  const [greedy, other] = [program.open("greedy"), program.open("other")];
  let isOver = false;
  const later = { tool: { name: "whoami" }, every_seconds: 3_600 };
  const { job_id } = await ask(other, "schedule_task", later);
  const storm = Array.from({ length: 100 }, async () => {
    while (!isOver) {
      await ask(greedy, "list_jobs");
      const made = await ask(greedy, "schedule_task", later);
      await ask(greedy, "cancel_job", { job_id: made.job_id });
    }
  });
  for (let i = 0; i < 5; i++) {
    expect((await ask(other, "get_job", { job_id })).status).toBe("active");
    await ask(other, "save_fact", { fact: `Fact number ${i}.` });
    await program.app.checkReady();
  }
  isOver = true;
  await eventually(async () => Promise.all(storm), 20_000);
}, 60_000);

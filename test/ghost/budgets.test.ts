import { describe, expect, it } from "vitest";
import type { ScriptedAnswer } from "../../src/model/scripted.ts";
import { ask, endedRun, openProgram } from "../program.ts";

const LATER = { cron: "0 9 * * *", timezone: "UTC" };

/** Every answer costs 100 tokens; `script` says what it is. */
async function start(script: (asked: number) => ScriptedAnswer = () => ({ text: "ok" })) {
  let asked = 0;
  const program = await openProgram({
    script: () => ({ usage: { input: 60, output: 40 }, ...script(++asked) }),
    scheduler: true,
  });
  const alice = program.open();
  const run = async (job_id: string) => {
    const { run_id } = await ask(alice, "run_job", { job_id });
    return endedRun(alice, job_id, run_id);
  };
  return { alice, run, asked: () => asked };
}

describe("max_tokens_per_job", () => {
  it("stops the next model call of the job's life, not the one after", async () => {
    const { alice, run, asked } = await start();
    const job = await ask(alice, "schedule_task", { prompt: "p", ...LATER, max_tokens_per_job: 150 });
    expect(job.max_tokens_per_job).toBe(150);
    const usage = { input_tokens: 60, output_tokens: 40 };
    for (const _ of [1, 2]) expect(await run(job.job_id)).toMatchObject({ status: "succeeded", usage });
    const third = await run(job.job_id);
    expect(third).toMatchObject({ status: "failed", failure: { code: "BUDGET_EXCEEDED" } });
    expect(third.failure.message).toContain("used 200 tokens of the 150 that its max_tokens_per_job allows");
    expect(asked()).toBe(2);
    expect(await ask(alice, "get_job", { job_id: job.job_id })).toMatchObject({ tokens_spent: 200 });
  });

  it("stops a run in the middle, and can be raised and lifted", async () => {
    const { alice, run, asked } = await start((n) =>
      n % 3 === 0 ? { text: "done" } : { calls: [{ tool: "whoami", arguments: {} }] },
    );
    const { job_id } = await ask(alice, "schedule_task", { prompt: "p", ...LATER, max_tokens_per_job: 200 });
    expect(await run(job_id)).toMatchObject({ status: "failed", usage: { input_tokens: 120 } });
    expect(asked()).toBe(2);
    await ask(alice, "update_job", { job_id, max_tokens_per_job: 300 });
    expect(await run(job_id)).toMatchObject({ status: "succeeded", output: "done" });
    const lifted = await ask(alice, "update_job", { job_id, max_tokens_per_job: null });
    expect(lifted.max_tokens_per_job).toBeNull();
    expect(await run(job_id)).toMatchObject({ status: "succeeded" });
    expect((await ask(alice, "get_job", { job_id })).tokens_spent).toBe(600);
  });

  it("counts without a limit, and each job for itself", async () => {
    const { alice, run } = await start();
    const [first, second] = [
      await ask(alice, "schedule_task", { prompt: "p", ...LATER }),
      await ask(alice, "schedule_task", { prompt: "q", ...LATER }),
    ];
    expect(first.max_tokens_per_job).toBeNull();
    await run(first.job_id);
    const spent = async (job_id: string) => (await ask(alice, "get_job", { job_id })).tokens_spent;
    expect([await spent(first.job_id), await spent(second.job_id)]).toEqual([100, 0]);
  });
});

import { expect, it } from "vitest";
import { openPostgres } from "../postgres.ts";
import { ask, endedRun, openProgram } from "../program.ts";

const WAITING = new URL("../http/modules/waiting.ts", import.meta.url).pathname;

it("a node without a job's tool leaves the job to one that has it, and says so", async () => {
  const { url: databaseUrl } = await openPostgres();
  const poor = await openProgram({ databaseUrl, scheduler: true });
  const rich = await openProgram({ databaseUrl, scheduler: true, tools: [WAITING] });
  const [there, here] = [poor.open(), rich.open()];
  const { job_id } = await ask(here, "schedule_task", {
    tool: { name: "wait", arguments: { ms: 1, word: "word" } },
    execute_at: "2099-01-01 00:00:00",
  });
  expect((await ask(there, "get_job", { job_id })).waiting_because).toMatch(/names the tool "wait"/);
  expect(await ask(here, "get_job", { job_id })).not.toHaveProperty("waiting_because");
  await expect(ask(there, "run_job", { job_id })).rejects.toThrow(/TOOL_NOT_FOUND/);
  for (let i = 0; i < 6; i++) {
    const { run_id } = await ask(here, "run_job", { job_id });
    expect(await endedRun(here, job_id, run_id)).toMatchObject({ status: "succeeded" });
  }
  for (const line of poor.lines.filter(({ msg }) => String(msg).includes("is left")))
    expect(line).toMatchObject({ job_id, tool: "wait" });
}, 120_000);

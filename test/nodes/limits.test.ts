import { expect, it } from "vitest";
import type { OpenContext } from "../../src/connection/connection.ts";
import { tempDir } from "../harness.ts";
import { openPostgres } from "../postgres.ts";
import { ask, endedRun, openProgram, type ProgramOptions } from "../program.ts";

const LATER = { tool: { name: "whoami" }, every_seconds: 3_600 };

/** The same user on two nodes of one database. */
async function two(options: ProgramOptions): Promise<[OpenContext, OpenContext]> {
  const { url: databaseUrl } = await openPostgres();
  const open = async () => (await openProgram({ ...options, databaseUrl, dataDir: await tempDir() })).open();
  return [await open(), await open()];
}

/** Calls both at once, so many times each. Resolves to the number of successes, and the errors of the others. */
async function crowd(
  nodes: readonly OpenContext[],
  times: number,
  tool: string,
  args: (i: number) => object,
) {
  const calls = nodes.flatMap((node, n) =>
    Array.from({ length: times }, (_, i) => node.toolkit.call(tool, args(n * times + i))),
  );
  const results = await Promise.all(calls);
  const refused = results.filter(({ isError }) => isError).map(({ content }) => content[0]?.text ?? "");
  return { done: results.length - refused.length, refused };
}

it("two nodes let a user have exactly as many jobs as may be", async () => {
  const nodes = await two({ maxJobs: 10 });
  const { done, refused } = await crowd(nodes, 15, "schedule_task", (i) => ({ ...LATER, name: `job ${i}` }));
  expect(done).toBe(10);
  for (const text of refused) expect(text).toMatch(/JOB_LIMIT_REACHED/);
  for (const node of nodes) expect((await ask(node, "list_jobs", { limit: 50 })).jobs).toHaveLength(10);
}, 60_000);

it.each([
  ["facts", { maxFacts: 10 }],
  // Each fact has 30 bytes.
  ["bytes", { maxFactsBytes: 300 }],
])(
  "two nodes let a user keep exactly as many %s as may be",
  async (_what, limit) => {
    const nodes = await two(limit);
    const fact = (i: number) => ({ fact: `fact number ${i} `.padEnd(30, "x") });
    const { done, refused } = await crowd(nodes, 15, "save_fact", fact);
    expect(done).toBe(10);
    for (const text of refused) expect(text).toMatch(/FACT_LIMIT_REACHED/);
    for (const node of nodes) expect((await ask(node, "list_facts", { limit: 50 })).facts).toHaveLength(10);
  },
  60_000,
);

it("two nodes run exactly as many of a user's runs in a day as may be", async () => {
  const nodes = await two({ maxRunsPerDay: 5, scheduler: true });
  const { job_id } = await ask(nodes[0], "schedule_task", LATER);
  const runs = await Promise.all(
    Array.from({ length: 12 }, (_, i) => ask(nodes[i % 2] as OpenContext, "run_job", { job_id })),
  );
  const ended = await Promise.all(runs.map(({ run_id }) => endedRun(nodes[0], job_id, run_id)));
  const statuses = ended.map(({ status }) => status).sort();
  expect(statuses).toEqual([...Array(7).fill("skipped"), ...Array(5).fill("succeeded")]);
}, 60_000);

it("two nodes count a user's tokens of a day together, and refuse the next model call at either", async () => {
  const script = () => ({ text: "Done.", usage: { input: 40, output: 10 } });
  const nodes = await two({ maxTokensPerDay: 200, scheduler: true, script });
  const { job_id } = await ask(nodes[0], "schedule_task", { prompt: "Say done.", every_seconds: 3_600 });
  const run = (i: number) => ask(nodes[i % 2] as OpenContext, "run_job", { job_id, wait: true });
  for (let i = 0; i < 4; i++) expect((await run(i)).status).toBe("succeeded");
  for (let i = 0; i < 2; i++)
    expect(await run(i)).toMatchObject({ status: "failed", failure: { code: "BUDGET_EXCEEDED" } });
}, 60_000);

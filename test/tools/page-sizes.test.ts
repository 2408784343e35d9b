import { expect, it } from "vitest";
import { ask, openProgram } from "../program.ts";

const LATER = { execute_at: "2099-02-20 09:00:00" };
const call = (chars: number) => ({ name: "whoami", arguments: { text: "x".repeat(chars) } });

it("a page of long jobs ends early, and the next one goes on behind it", async () => {
  const context = (await openProgram()).open();
  const made: string[] = [];
  for (let i = 0; i < 45; i++) {
    const long = { name: `Job ${i}`, tool: call(30_000), check: call(30_000), ...LATER };
    made.unshift((await ask(context, "schedule_task", long)).job_id);
  }
  const found: string[] = [];
  const sizes: number[] = [];
  for (let cursor: string | undefined, pages = 0; pages === 0 || cursor; pages++) {
    const page = await ask(context, "list_jobs", { limit: 100, full: true, ...(cursor && { cursor }) });
    sizes.push(JSON.stringify(page).length);
    found.push(...page.jobs.map(({ job_id }: { job_id: string }) => job_id));
    cursor = page.next_cursor;
  }
  expect(found).toEqual(made);
  expect(sizes.length).toBeGreaterThan(1);
  expect(Math.max(...sizes)).toBeLessThan(3_000_000);
  const { jobs } = await ask(context, "list_jobs", { limit: 3 });
  expect(jobs).toHaveLength(3);
});

it("a job's tool call has at most as much in its arguments as a prompt", async () => {
  const { toolkit } = (await openProgram()).open();
  for (const long of [{ tool: call(32_000) }, { tool: call(1), check: call(32_000) }]) {
    const { content } = await toolkit.call("schedule_task", { ...long, ...LATER });
    expect(content[0]?.text).toMatch(/at most 32000 characters.*INVALID_ARGUMENTS/s);
  }
});

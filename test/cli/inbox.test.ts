import { expect, it } from "vitest";
import { cli } from "../child-process.ts";
import { tempDir } from "../harness.ts";
import { ask, endedRun, openProgram } from "../program.ts";

const DAILY = { tool: { name: "current_time", arguments: { timezone: "UTC" } }, cron: "0 9 * * *" };

it("nightshift inbox shows what is unread, and marks it when it is asked to", async () => {
  const data = await tempDir();
  const program = await openProgram({ dataDir: data, scheduler: true });
  const alice = program.open();
  const { job_id } = await ask(alice, "schedule_task", { ...DAILY, name: "Clock \u001b[31mred" });
  const { run_id } = await ask(alice, "run_job", { job_id });
  const { output } = await endedRun(alice, job_id, run_id);
  await program.close();

  const run = (...args: string[]) => cli(["inbox", ...args, "--data", data, "--user", "alice"]);
  const json = async (...args: string[]) => JSON.parse((await run(...args, "--json")).stdout);
  const shown = { items: [{ job_id, run_id, status: "succeeded", output, read: false }], unread: 1 };
  expect(await json("list")).toMatchObject(shown);
  const { stdout } = await run("list");
  expect(stdout).toMatch(/^Clock \[31mred {2}succeeded {2}\d{4}-.*\n/);
  expect(stdout).toContain(`nightshift runs show ${run_id}\n1 unread. \`nightshift inbox read\``);
  expect(stdout).not.toContain("\u001b");
  const bob = await cli(["inbox", "list", "--all", "--data", data, "--user", "bob"]);
  expect(bob.stdout).toBe("The inbox is empty.\n");
  expect(await json("read")).toMatchObject({ ...shown, unread: 0 });
  expect((await run("read")).stdout).toBe("Nothing unread.\n");
  expect((await json("list", "--all")).items).toMatchObject([{ run_id, read: true }]);
  // The result of a run that the command line waited for counts as read.
  expect((await cli(["jobs", "run", job_id, "--data", data, "--user", "alice"])).code).toBe(0);
  expect(await json("list")).toEqual({ items: [], unread: 0 });
}, 60_000);

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { cli } from "../child-process.ts";
import { tempDir } from "../harness.ts";
import { ask, openProgram } from "../program.ts";

it("a week at the command line: make a job, run it by its name, and find its runs", async () => {
  const data = await tempDir();
  const run = (...args: string[]) => cli([...args, "--data", data, "--user", "alice"]);
  const create = ["jobs", "create", "--tool", "whoami", "--name", "Who", "--cron", "weekdays at 9am"];
  const made = await run(...create, "--timezone", "Asia/Tokyo");
  expect(made.stdout).toMatch(
    /^job_\w+ {2}active\n {2}name {6}Who\n.*\n {2}when {6}0 9 \* \* 1-5 \(Asia\/Tokyo\)/,
  );
  expect((await run(...create, "--timezone", "Asia/Tokyo")).stdout).toMatch(
    /^Scheduled already; --allow-dup/,
  );
  const every = [
    "jobs",
    "create",
    "--tool",
    "current_time",
    "--arguments",
    '{"timezone":"UTC"}',
    "--every",
    "2h",
  ];
  expect(JSON.parse((await run(...every, "--json")).stdout)).toMatchObject({
    every_seconds: 7_200,
    tool: { arguments: { timezone: "UTC" } },
  });
  expect((await run("jobs", "run", "who")).code).toBe(0);
  const { stdout } = await run("runs", "list", "--job", "Who", "--status", "succeeded", "--limit", "1");
  expect(stdout).toMatch(/\nrun_\w+ +succeeded +\S+\+09:00 .* Who +/);
  expect((await run("runs", "list", "--status", "failed")).stdout).toBe("No runs yet.\n");
  expect((await run("runs", "show", "last")).stdout).toMatch(/^run_\w+ {2}succeeded/);
  const wrong = await run("jobs", "create", "--tool", "whoami", "--at", "tomorrow at 9");
  expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining("09:00, or 21:00")]);
}, 60_000);

it("a memory at the command line: save, search, export, import twice, forget", async () => {
  const data = await tempDir();
  const run = (user: string, ...args: string[]) => cli(["facts", ...args, "--data", data, "--user", user]);
  const program = await openProgram({ dataDir: data });
  await ask(program.open(), "save_fact", { fact: "The key is under the pot.", expires_in_days: 30 });
  await program.close();
  expect((await run("alice", "save", "Takes tea\u001b without sugar.", "--tags", "drinks")).stdout).toMatch(
    / {2}saved$/m,
  );
  expect((await run("alice", "search", "sugar in tea")).stdout).toMatch(
    /drinks +Takes tea {1,2}without sugar\.\n/,
  );
  expect((await run("bob", "list")).stdout).toBe("Nothing is saved.\n");
  const { stdout } = await run("alice", "export");
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines).toMatchObject([
    { nightshift_facts: 1 },
    { fact: "The key is under the pot.", expires_at: expect.any(String) },
    { tags: ["drinks"], expires_at: null },
  ]);
  const file = join(data, "export.jsonl");
  await writeFile(file, stdout);
  expect((await run("bob", "import", file)).stdout).toBe("2 saved, 0 known already, 0 expired\n");
  expect((await run("bob", "import", file)).stdout).toBe("0 saved, 2 known already, 0 expired\n");
  await writeFile(file, `${stdout}{"fact": 7}\n`);
  expect(await run("carol", "import", file)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("Line 4 "),
  });
  expect((await run("carol", "list")).stdout).toBe("Nothing is saved.\n");
  const [{ fact_id }] = JSON.parse((await run("bob", "list", "--json")).stdout).facts;
  expect((await run("bob", "forget", fact_id)).stdout).toBe(`${fact_id}  forgotten\n`);
  expect(JSON.parse((await run("bob", "list", "--json")).stdout).facts).toHaveLength(1);
}, 60_000);

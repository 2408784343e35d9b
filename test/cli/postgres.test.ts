import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { cli, startServer } from "../child-process.ts";
import { eventually, tempDir } from "../harness.ts";
import { openPostgres } from "../postgres.ts";

/** A code job that returns everything that its thread can find out about how the program was started. */
const SPY = `import { workerData } from "node:worker_threads";
export default { every: "1h", run: async () => JSON.stringify([process.env, process.argv, process.execArgv, Object.keys(workerData ?? {})]) };`;
/** An upstream server that writes down the same when it is started. */
const SERVER = `import { writeFileSync } from "node:fs";
writeFileSync(process.argv[2], JSON.stringify([process.env, process.argv]));`;

it("every command works on Postgres, makes no file, and tells nobody the password", async () => {
  const home = await tempDir();
  const { url } = await openPostgres();
  const { password } = new URL(url);
  expect(password.length).toBeGreaterThan(10);
  const jobs = join(home, "jobs");
  await mkdir(jobs);
  await writeFile(join(jobs, "spy.js"), SPY);
  await writeFile(join(home, "server.mjs"), SERVER);
  const seen = join(home, "seen.json");
  const servers = { other: { command: process.execPath, args: [join(home, "server.mjs"), seen] } };
  await writeFile(join(home, "servers.json"), JSON.stringify({ mcpServers: servers }));
  const env = { HOME: home, NIGHTSHIFT_DATABASE_URL: url, NIGHTSHIFT_LOG_LEVEL: "trace" };
  const said: string[] = [];
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await cli([...args, "--user", "alice", "--json"], { env });
    said.push(stdout, stderr);
    expect(code, `${args.join(" ")}: ${stderr}`).toBe(0);
    return JSON.parse(stdout);
  };

  const server = await startServer(["--user", "alice", "--jobs", jobs], { env });
  await server.call("save_fact", { fact: "Alice keeps bees." });
  const { facts } = await server.call("recall_facts", { query: "bees" });
  expect(facts).toMatchObject([{ fact: "Alice keeps bees." }]);
  const found = await eventually(async () => {
    const listed = await server.call("list_jobs");
    return listed.jobs.length > 0 && (listed.jobs as { job_id: string }[]);
  });
  const [{ job_id: spy = "" } = {}] = found;
  expect((await server.call("run_job", { job_id: spy, wait: true })).status).toBe("succeeded");
  server.end();
  expect((await server.exited).code).toBe(0);
  said.push(server.stdout(), server.stderr());

  expect((await run("jobs", "list")).jobs).toMatchObject([{ job_id: spy, file: "spy.js" }]);
  const mcp = ["--mcp-config", join(home, "servers.json")];
  expect(await run("jobs", "run", spy, "--jobs", jobs, ...mcp)).toMatchObject({ status: "succeeded" });
  expect((await run("runs", "list", "--job", spy)).runs).toHaveLength(2);
  expect(await run("jobs", "pause", spy)).toMatchObject({ status: "paused" });
  const { key_id } = await run("keys", "create");
  expect((await run("keys", "list")).keys).toMatchObject([{ key_id, user_id: "alice" }]);
  await run("keys", "revoke", key_id);
  const { findings } = await run("doctor", ...mcp);
  expect(findings).toContainEqual(expect.objectContaining({ check: "postgres", status: "ok" }));
  said.push(await readFile(seen, "utf8"));

  const { run_id } = (await run("runs", "list", "--job", spy)).runs[0];
  expect((await run("runs", "show", run_id)).output).toContain("thread");
  expect(said.join("\n")).not.toContain(password);
  expect(existsSync(join(home, ".nightshift"))).toBe(false);
}, 60_000);

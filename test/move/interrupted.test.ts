import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { openPostgres as openJobs } from "../../src/database/open-postgres.ts";
import { cli, start } from "../child-process.ts";
import { CLI, eventually, tempDir } from "../harness.ts";
import { openPostgres } from "../postgres.ts";
import { connect, fill, fingerprint, makeFolder, rowsIn } from "./folder.ts";

const ROWS = 15_000;
const commandLine = (from: string, to: string) => ["move", "--from", from, "--to", to, "--json"];

describe("a move", () => {
  it("that is killed again and again goes on where it was, and comes to the same", async () => {
    const [{ dataDir }, { url }] = await Promise.all([makeFolder(), openPostgres()]);
    fill(dataDir, ROWS);
    const before = fingerprint(dataDir);
    // Each process is killed in the middle of one more of the two large tables.
    for (const table of ["daily_usage", "daily_usage", "keyv", "keyv"]) {
      const child = start([CLI, ...commandLine(dataDir, url)]);
      await eventually(async () => child.stderr().includes(`moving ${table}`), 60_000);
      child.kill("SIGKILL");
      expect((await child.exited).signal).toBe("SIGKILL");
    }
    const client = await connect(url);
    const carried = (await rowsIn(client, "keyv")).length;
    expect(carried).toBeGreaterThan(0);
    expect(carried).toBeLessThan(ROWS);
    await expect(openJobs({ url, now: Date.now })).rejects.toThrow(/move into this Postgres is not finished/);

    const { code, stdout, stderr } = await cli(commandLine(dataDir, url));
    expect(stderr).not.toMatch(/nightshift:/);
    expect(code).toBe(0);
    const { status, tables } = JSON.parse(stdout);
    expect(status).toBe("moved");
    const of = (name: string) => tables.find(({ table }: { table: string }) => table === name);
    expect(of("daily_usage")).toMatchObject({ rows: of("daily_usage").already_there, verified: true });
    expect(of("keyv")).toMatchObject({ rows: ROWS + 3, verified: true });
    expect(of("keyv").already_there).toBeGreaterThanOrEqual(carried);
    expect(fingerprint(dataDir)).toEqual(before);
    await (await openJobs({ url, now: Date.now })).close();

    // The counters of changes, by which nodes tell that their copies are old, count each row once.
    const sums = await client.query(
      "select sum(changes)::int as changes, sum(removals)::int as removals from nightshift.fact_changes",
    );
    expect(sums.rows).toEqual([{ changes: ROWS + 3, removals: 0 }]);
  }, 120_000);

  it("finds a row that somebody else has changed in the meantime, and one too many", async () => {
    const [{ dataDir, jobId }, { url }] = await Promise.all([makeFolder(), openPostgres()]);
    await cli(commandLine(dataDir, url));
    const client = await connect(url);
    await client.query("update nightshift.moves set finished_at = null");
    await client.query("update nightshift.jobs set detail = replace(detail, 'report', 'rePort')");
    const changed = await cli(commandLine(dataDir, url));
    expect(changed).toMatchObject({ code: 1, stdout: "" });
    expect(changed.stderr).toContain(`The row ${jobId} of jobs is another one in Postgres`);

    await client.query("update nightshift.jobs set detail = replace(detail, 'rePort', 'report')");
    await client.query("insert into nightshift.daily_usage values ('stranger', '2026-01-01', 1, 1)");
    const more = await cli(commandLine(dataDir, url));
    expect(more.code).toBe(1);
    const { status, tables } = JSON.parse(more.stdout);
    expect(status).toBe("unfinished");
    const differing = tables.filter(({ verified }: { verified: boolean }) => !verified);
    expect(differing.map(({ table }: { table: string }) => table)).toEqual(["daily_usage"]);
    await expect(openJobs({ url, now: Date.now })).rejects.toThrow(/not finished/);
  });

  it("takes nothing into a database that holds other data, or that a node works with", async () => {
    const [one, other, { url }] = await Promise.all([makeFolder(), makeFolder(), openPostgres()]);
    await cli(commandLine(one.dataDir, url));
    const refused = await cli(commandLine(other.dataDir, url));
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toMatch(/holds data that is not of this folder/);

    const { url: busy } = await openPostgres();
    const node = await openJobs({ url: busy, now: Date.now });
    const waits = await cli(commandLine(other.dataDir, busy));
    await node.close();
    expect(waits).toMatchObject({ code: 1, stdout: "" });
    expect(waits.stderr).toMatch(/stop all its nodes/);
    expect((await cli(commandLine(other.dataDir, busy))).code).toBe(0);
  });

  it("takes what a killed process had written last, and leaves its log where it is", async () => {
    const [{ dataDir }, { url }] = await Promise.all([makeFolder(), openPostgres()]);
    const folder = await tempDir();
    const files = ["jobs.sqlite", "facts.sqlite"];
    const open = files.map((name) => new DatabaseSync(join(dataDir, name)));
    open[0]?.exec("insert into daily_usage values ('late', '2026-02-20', 1, 1)");
    open[1]?.exec(`insert into keyv values ('${"f".repeat(64)}:fact_late', '{"value":{"text":"late"}}')`);
    // The files as a kill leaves them: copied before their write-ahead logs are checkpointed.
    cpSync(dataDir, folder, { recursive: true });
    for (const database of open) database.close();
    for (const name of files) expect(readFileSync(join(folder, `${name}-wal`)).length).toBeGreaterThan(0);
    const before = fingerprint(folder);
    const { code, stderr } = await cli(commandLine(folder, url));
    expect(code, stderr).toBe(0);
    expect(fingerprint(folder)).toEqual(before);
    const client = await connect(url);
    expect(await rowsIn(client, "daily_usage")).toContainEqual(expect.objectContaining({ user_key: "late" }));
    expect(await rowsIn(client, "keyv")).toContainEqual(
      expect.objectContaining({ key: `${"f".repeat(64)}:fact_late` }),
    );
  });
});

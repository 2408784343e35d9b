import { randomBytes } from "node:crypto";
import { Client } from "pg";
import { describe, expect, it, onTestFinished } from "vitest";
import { openPostgres as openDatabase } from "../../src/database/open-postgres.ts";
import { cli } from "../child-process.ts";
import { openPostgres } from "../postgres.ts";

async function examine(url: string) {
  const { code, stdout, stderr } = await cli(["doctor", "--json", "--database-url", url]);
  expect(stderr).toBe("");
  const { findings } = JSON.parse(stdout) as { findings: { check: string; status: string; found: string }[] };
  expect(findings.map(({ check }) => check)).not.toContain("jobs.sqlite");
  return { code, ...findings.find(({ check }) => check === "postgres") };
}

describe("nightshift doctor --database-url", () => {
  it("looks at what is there, and makes nothing", async () => {
    const { url } = await openPostgres();
    expect(await examine(url)).toMatchObject({
      code: 0,
      status: "ok",
      found: expect.stringMatching(/no tables yet/),
    });
    expect((await examine(url)).found).toMatch(/^Postgres \d+\.\d+, no tables yet/);
    await (await openDatabase({ url, now: Date.now })).close();
    expect((await examine(url)).found).toMatch(
      /0 jobs \(0 with a next run\), 0 runs, \d+ of \d+ connections/,
    );
  });

  it("says what is wrong, and never the password", async () => {
    const url = new URL((await openPostgres()).url);
    url.password = "owl-secret";
    const refused = await examine(url.href);
    expect(refused).toMatchObject({
      code: 1,
      status: "problem",
      found: expect.stringMatching(/user or password/),
    });
    expect(refused.found).not.toContain("owl");
  });

  it.each([
    [
      "drop table nightshift.moves; create table nightshift.moves as select 'x' as source, null::bigint as finished_at",
      /move into it is not finished; run the same nightshift move/,
    ],
    [
      "delete from nightshift.schema_version where version > 1; update nightshift.schema_version set version = 0",
      /version 0, .*run nightshift migrate as the owner/,
    ],
    [
      "grant usage on schema nightshift to :role; grant select on all tables in schema nightshift to :role",
      /may only read .*jobs.*runs/,
    ],
    ["grant usage on schema nightshift to :role", /may not read .*jobs/],
    ["select 1", /may not use the schema nightshift/],
  ])("knows what a node would fail at: %s", async (sql, found) => {
    const { url } = await openPostgres();
    await (await openDatabase({ url, now: Date.now })).close();
    const role = `doctor_${randomBytes(6).toString("hex")}`;
    const client = new Client({ connectionString: url });
    await client.connect();
    onTestFinished(async () => {
      await client.query(`drop owned by ${role}; drop role ${role}`);
      await client.end();
    });
    await client.query(`create role ${role} login password 'p'`);
    await client.query(sql.replaceAll(":role", role));
    const isOwner = !sql.includes(":role") && sql !== "select 1";
    const as = isOwner ? url : Object.assign(new URL(url), { username: role, password: "p" }).href;
    expect(await examine(as)).toMatchObject({
      code: 1,
      status: "problem",
      found: expect.stringMatching(found),
    });
  });
});

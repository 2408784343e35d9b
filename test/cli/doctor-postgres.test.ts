import { describe, expect, it } from "vitest";
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
});

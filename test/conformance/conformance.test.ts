import { execFile } from "node:child_process";
import { glob, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { ROOT, tempDir } from "../harness.ts";
import { serveChild } from "../http/harness.ts";

const FIXTURE = join(ROOT, "test/conformance/fixture.ts");
const LIMIT_MS = 120_000;

/** Runs the official suite as a process. Resolves to the failed checks of each scenario. */
async function conformance(url: string, args: readonly string[]): Promise<Map<string, number>> {
  const command = [join(ROOT, "node_modules/@modelcontextprotocol/conformance/dist/index.js"), "server"];
  const cwd = await tempDir();
  const stdout = await new Promise<string>((resolve) => {
    execFile(
      process.execPath,
      [...command, "--url", url, ...args],
      { cwd, timeout: LIMIT_MS, maxBuffer: 64 * 1024 * 1024 },
      // The exit code also counts scenarios that are not scored, so the printed lines are read.
      (_error, out, err) => resolve(`${out}\n${err}`),
    );
  });
  const [, summary = stdout] = stdout.split("=== SUMMARY ===");
  const lines = summary.matchAll(/^[✓✗] ([\w/-]+): \d+ passed, (\d+) failed/gmu);
  return new Map([...lines].map(([, name = "", failed]) => [name, Number(failed)]));
}

/** The checks of one scenario. */
async function checksOf(url: string, scenario: string, revision: string) {
  const dir = await tempDir();
  await conformance(url, ["--scenario", scenario, "--spec-version", revision, "-o", dir]);
  const [file] = await Array.fromAsync(glob(join(dir, "**/checks.json")));
  return JSON.parse(await readFile(String(file), "utf8")) as {
    id: string;
    status: string;
    details?: { untestable?: boolean };
  }[];
}

/** The checks of one scenario that failed. */
async function failures(url: string, scenario: string, revision: string) {
  const checks = await checksOf(url, scenario, revision);
  expect(checks.length).toBeGreaterThan(5);
  return checks.filter(({ status }) => status === "FAILURE");
}

/** Scenarios that a revision requires of a server, in its own frozen list. */
async function scored(revision: string): Promise<string[]> {
  const file = `node_modules/@modelcontextprotocol/conformance/requirements/${revision}.yaml`;
  return parse(await readFile(join(ROOT, file), "utf8")).server;
}

describe.each(["2026-07-28", "2025-11-25"])("the %s requirements", (revision) => {
  it(
    "are met in every scored scenario, with what they need loaded as a user loads theirs",
    async () => {
      const server = await serveChild({ args: ["--tools", FIXTURE] });
      const results = await conformance(server.url, ["--requirements", revision]);
      const names = await scored(revision);
      expect(names.length).toBeGreaterThan(25);
      expect(names.filter((name) => !results.has(name))).toEqual([]);
      const failed: unknown[] = [];
      for (const name of names.filter((one) => results.get(one) !== 0)) {
        // The suite gives a scenario 30 s, which a busy machine may exceed: it is run again, alone, with a note.
        const checks = await checksOf(server.url, name, revision);
        console.warn(`${name} failed among all others and was asked again`);
        const still = checks.filter(({ status }) => status === "FAILURE");
        if (checks.length === 0 || still.length > 0) failed.push([name, still]);
      }
      expect(failed).toEqual([]);
    },
    LIMIT_MS + 30_000,
  );
});

/** Scenarios for any server, whatever tools it has; not all of them are scored. */
const ANY_SERVER: Readonly<Record<string, readonly string[]>> = {
  "2026-07-28": [
    "tools-list",
    "resources-list",
    "prompts-list",
    "server-sse-multiple-streams",
    "sep-2164-resource-not-found",
    "dns-rebinding-protection",
    "input-required-result-unsupported-methods",
    "http-header-validation",
  ],
  "2025-11-25": [
    "server-initialize",
    "ping",
    "tools-list",
    "resources-list",
    "prompts-list",
    "logging-set-level",
    "resources-subscribe",
    "resources-unsubscribe",
    "server-sse-multiple-streams",
    "dns-rebinding-protection",
    "server-session-lifecycle",
    "server-sse-polling",
  ],
};

describe("the product as it is", () => {
  it.each(Object.keys(ANY_SERVER))(
    "passes what %s asks of any server",
    async (revision) => {
      const server = await serveChild();
      const results = await conformance(server.url, ["--requirements", revision]);
      expect(ANY_SERVER[revision]?.filter((name) => results.get(name) !== 0)).toEqual([]);
    },
    LIMIT_MS + 30_000,
  );

  it(
    "fails no check of statelessness and caching but those of tools that it does not have",
    async () => {
      const { url } = await serveChild();
      const stateless = await failures(url, "server-stateless", "2026-07-28");
      expect(stateless.filter(({ details }) => !details?.untestable)).toEqual([]);
      expect(await failures(url, "caching", "2026-07-28")).toEqual([]);
    },
    LIMIT_MS,
  );
});

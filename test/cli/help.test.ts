import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ENVIRONMENT } from "../../src/config.ts";
import { cli } from "../child-process.ts";
import { tempDir } from "../harness.ts";

const COMMANDS = [
  "",
  "stdio",
  "serve",
  "demo",
  "doctor",
  "install",
  "service",
  "service install",
  "service status",
  "service logs",
  "service remove",
  "move",
  "migrate",
  "jobs",
  "jobs list",
  "jobs show",
  "jobs pause",
  "jobs resume",
  "jobs cancel",
  "jobs run",
  "jobs create",
  "jobs preview",
  "jobs backfill",
  "jobs validate",
  "runs",
  "runs list",
  "runs show",
  "inbox",
  "inbox list",
  "inbox read",
  "facts",
  "facts list",
  "facts search",
  "facts save",
  "facts forget",
  "facts export",
  "facts import",
  "keys",
  "keys create",
  "keys list",
  "keys revoke",
  "webhooks",
  "webhooks set",
  "webhooks show",
  "webhooks remove",
  "webhooks test",
  "webhooks secret",
];
const words = (line: string) => line.split(" ").filter(Boolean);

describe("--help", () => {
  it("of every command says how it is used, with examples that name it", async () => {
    const shown = await Promise.all(COMMANDS.map((command) => cli([...words(command), "--help"])));
    for (const [i, { code, stdout, stderr }] of shown.entries()) {
      const command = COMMANDS[i] ?? "";
      expect(code, command).toBe(0);
      expect(stderr, command).toBe("");
      expect(stdout, command).toMatch(new RegExp(`^Usage: nightshift ${command}`));
      const examples = stdout.split("\nExamples:\n")[1] ?? "";
      expect(examples, command).toContain(`  $ nightshift ${command}`);
    }
  }, 60_000);

  it("names every command there is", async () => {
    const { stdout } = await cli(["--help"]);
    const listed = [...stdout.matchAll(/^ {2}(\w+) /gm)].map(([, name]) => name);
    const known = new Set(COMMANDS.map((command) => words(command)[0]).filter(Boolean));
    expect(listed.filter((name) => name !== "help").sort()).toEqual([...known].sort());
  });

  it("names the environment twin of each flag", async () => {
    const { stdout } = await cli(["stdio", "--help"]);
    for (const twin of ["DATA_DIR", "USER", "JOBS_DIR", "TOOLS"])
      expect(stdout.replaceAll(/\s+/g, " ")).toContain(`(env: NIGHTSHIFT_${twin})`);
  });

  it("is there for --version, too", async () => {
    const { code, stdout } = await cli(["--version"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe("a command line that cannot be read", () => {
  it.each([
    ["an unknown command", ["dance"], /unknown command 'dance'/],
    ["a misspelled command", ["dmo"], /Did you mean demo\?/],
    ["an unknown subcommand", ["jobs", "dance"], /unknown command 'dance'/],
    ["an unknown flag", ["jobs", "list", "--colour"], /unknown option '--colour'/],
    ["a missing argument", ["jobs", "show"], /missing required argument 'job_id'/],
    ["a flag without its value", ["stdio", "--data"], /argument missing/],
    [
      "a value that is none of the choices",
      ["jobs", "list", "--status", "done"],
      /Allowed choices are active/,
    ],
  ])("is answered on stderr: %s", async (_what, args, message) => {
    const { code, stdout, stderr } = await cli(args);
    expect(code).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\bat .*\.[jt]s:\d+/);
  });
});

describe("a configuration that is not valid", () => {
  const secret = "sk-very-secret-4711";
  it.each([
    ["NIGHTSHIFT_MODEL", `gpt ${secret}`, /model \(NIGHTSHIFT_MODEL\): use anthropic:<id>/],
    ["NIGHTSHIFT_MODEL_BASE_URL", `ftp://${secret}`, /modelBaseUrl \(NIGHTSHIFT_MODEL_BASE_URL\): /],
    ["NIGHTSHIFT_MAX_GHOSTS", secret, /maxGhosts \(NIGHTSHIFT_MAX_GHOSTS\): /],
    ["NIGHTSHIFT_LOG_LEVEL", secret, /logLevel \(NIGHTSHIFT_LOG_LEVEL\): .*"debug"/],
    ["NIGHTSHIFT_PORT", "65536", /port \(NIGHTSHIFT_PORT\): /],
    ["NIGHTSHIFT_USER", secret.repeat(20), /user \(NIGHTSHIFT_USER\): /],
  ])("is named, its value is not: %s", async (name, value, message) => {
    const { code, stdout, stderr } = await cli(["jobs", "list", "--data", await tempDir()], {
      env: { [name]: value },
    });
    expect(code).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain(value);
    expect(stderr.trim().split("\n")).toHaveLength(1);
  });

  it("is said to be so when its Postgres is not there, without its password", async () => {
    const { code, stderr } = await cli(["jobs", "list"], {
      env: { NIGHTSHIFT_DATABASE_URL: "postgres://user:secret@127.0.0.1:1/db" },
    });
    expect([code, stderr]).toEqual([1, expect.stringMatching(/Postgres could not be reached/)]);
    expect(stderr).not.toContain("secret");
  });

  it("may leave variables empty, as a client's configuration does", async () => {
    const env = Object.fromEntries(Object.values(ENVIRONMENT).map((name) => [name, ""]));
    for (const command of [["jobs", "list"], ["doctor"]])
      expect((await cli([...command, "--data", await tempDir()], { env })).code).toBe(0);
  });

  it("separates the items of a variable that is a list with commas", async () => {
    const data = await tempDir();
    const env = { NIGHTSHIFT_TOOLS: ["a", "b"].map((name) => join(data, `${name}.mjs`)).join(", ") };
    for (const name of ["a", "b"])
      await writeFile(
        join(data, `${name}.mjs`),
        `export const ${name} = { name: "tool_${name}", description: "A tool.", run: () => "" };`,
      );
    const { code, stdout } = await cli(["doctor", "--json", "--data", data], { env });
    expect(code).toBe(0);
    expect(stdout).toContain("tool_a, tool_b");
  });

  it("of doctor: --repair is for files, and says so where Postgres is in use", async () => {
    const { code, stderr } = await cli(["doctor", "--repair", "--database-url", "postgres://127.0.0.1:1/db"]);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/--repair repairs the files of a data folder/)]);
  });
});

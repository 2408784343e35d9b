import { globSync, readFileSync, statSync } from "node:fs";
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { peopleTools } from "../src/tools/builtin.ts";
import { type Child, cli, start, startServer } from "./child-process.ts";
import { eventually, ROOT, tempDir } from "./harness.ts";
import { connect } from "./http/clients.ts";
import { serveChild } from "./http/harness.ts";
import { installInto, installNode, npmEnvironment, pack } from "./packed-package.ts";
import { openPostgres } from "./postgres.ts";

const OLDEST_NODE = "22.18.0";
const TOO_OLD_NODE = "20.19.5";
const MAX_PACKAGES = 40;
const MAX_BYTES = 40 * 1024 * 1024;

let file: string;
let prefix: string;
let program: string;

beforeAll(async () => {
  file = await pack();
  prefix = await installInto(file);
  program = join(prefix, "node_modules/nightshift/dist/cli.js");
}, 600_000);

afterAll(async () => {
  for (const folder of [file && dirname(file), prefix])
    if (folder) await rm(folder, { recursive: true, force: true });
});

const filesIn = (pattern: string) => globSync(`node_modules/${pattern}`, { cwd: prefix });
const read = (path: string) => JSON.parse(readFileSync(join(prefix, path), "utf8"));

describe("the packed package", () => {
  it("is few packages and few bytes, without a script that runs at the install and without native code", () => {
    const manifests = filesIn("{*,@*/*}/package.json").map(read);
    const names = manifests.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(["nightshift", "zod", "@modelcontextprotocol/server"]));
    expect(names.length).toBeLessThanOrEqual(MAX_PACKAGES);
    const bytes = filesIn("**/*").reduce((sum, path) => sum + statSync(join(prefix, path)).size, 0);
    expect(bytes).toBeLessThan(MAX_BYTES);
    for (const { name, scripts = {} } of manifests)
      for (const script of ["preinstall", "install", "postinstall"])
        expect(scripts, name).not.toHaveProperty(script);
    expect(filesIn("**/{*.node,binding.gyp}")).toEqual([]);
    console.info(
      `${names.length} packages, ${(bytes / 2 ** 20).toFixed(1)} MiB, packed ${statSync(file).size} bytes`,
    );
  });

  it("has a manifest for users, with the checkout's version, and the licences of what it holds", () => {
    const manifest = read("node_modules/nightshift/package.json");
    const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    expect(manifest).toMatchObject({
      version,
      repository: {},
      homepage: /^https:/,
      mcpName: /^[\w.-]+\/nightshift$/,
    });
    expect(Object.keys(manifest.scripts)).toEqual(["prepack", "postpack"]);
    for (const key of ["devDependencies", "overrides", "allowScripts"])
      expect(manifest).not.toHaveProperty(key);
    const licences = readFileSync(join(prefix, "node_modules/nightshift/dist/LICENSES.txt"), "utf8");
    for (const name of ["bree", "keyv", "pg-boss", "snowball-stemmers", "ai"])
      expect(licences).toMatch(new RegExp(`^${name} \\d`, "m"));
  });

  it.for(["24", OLDEST_NODE])("saves, recalls and runs jobs under Node %s", async (version, test) => {
    const installed = version === "24" ? { node: process.execPath } : await installNode(version);
    if ("reason" in installed) {
      console.info(installed.reason);
      return test.skip(installed.reason);
    }
    const dir = await tempDir();
    await writeFile(
      join(dir, "tools.mjs"),
      `export default { name: "shout", description: "Shouts.", annotations: { readOnlyHint: true },
         inputSchema: { type: "object", properties: { text: { type: "string" } }, required: ["text"] },
         run: ({ text }) => text.toUpperCase() };`,
    );
    await mkdir(join(dir, "jobs"));
    await writeFile(
      join(dir, "jobs/job.mjs"),
      `export default { every: "1h", run: async (ghost) => (await ghost.callTool("shout", { text: "done" })).content[0].text };`,
    );
    const args = [
      "--data",
      join(dir, "data"),
      "--jobs",
      join(dir, "jobs"),
      "--tools",
      join(dir, "tools.mjs"),
    ];
    const server = await startServer([...args, "--user", "alice"], { cli: program, command: installed.node });
    await server.call("save_fact", { fact: "The keys were hanging by the door." });
    const { facts } = await server.call("recall_facts", { query: "Where does the key hang?" });
    expect(facts).toMatchObject([{ fact: "The keys were hanging by the door." }]);
    const tool = await server.call("schedule_task", { tool: { name: "whoami" }, every_seconds: 3_600 });
    const run = await server.call("run_job", { job_id: tool.job_id, wait: true });
    expect(run).toMatchObject({ status: "succeeded" });
    const code = await eventually(async () => {
      const { jobs } = await server.call("list_jobs");
      return jobs.find((job: { file?: string }) => job.file === "job.mjs");
    }, 60_000);
    const ran = await server.call("run_job", { job_id: code.job_id, wait: true });
    expect(ran).toMatchObject({ status: "succeeded", output: "DONE" });
    server.end();
    expect(await server.exited).toEqual({ code: 0, signal: null });
    const doctor = await cli(["doctor", "--json", ...args], { cli: program, command: installed.node });
    expect(JSON.parse(doctor.stdout)).toMatchObject({ ok: true });
  });

  it("names a command that works when it is started under an old Node", async (test) => {
    const installed = await installNode(TOO_OLD_NODE);
    if ("reason" in installed) {
      console.info(installed.reason);
      return test.skip(installed.reason);
    }
    const refused = await cli(["--version"], { cli: program, command: installed.node });
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toMatch(/^Nightshift needs Node 22\.18 or later; this is v20\..*\n$/);
    const [, named = ""] = /npm fetches one: (.*) <arguments>\n$/.exec(refused.stderr) ?? [];
    const PATH = `${dirname(installed.node)}${delimiter}${process.env.PATH}`;
    const child = start(["-c", `${named} --version`], {
      command: "/bin/sh",
      env: { ...npmEnvironment(), PATH },
    });
    child.end();
    await child.exited;
    expect(child.stdout(), child.stderr()).toBe(
      `${JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")).version}\n`,
    );
  });

  it("asks a model, in its demo", async () => {
    const { code, stdout } = await cli(["demo", "--json"], { cli: program });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, run: { status: "succeeded" } });
  });

  it("keeps its data in Postgres, with pg and pg-boss as they are bundled", async () => {
    const { url } = await openPostgres();
    const server = await startServer(["--database-url", url, "--user", "alice"], { cli: program });
    await server.call("save_fact", { fact: "Packed." });
    const { job_id } = await server.call("schedule_task", { tool: { name: "whoami" }, every_seconds: 3_600 });
    expect((await server.call("run_job", { job_id, wait: true })).status).toBe("succeeded");
    expect((await server.call("recall_facts", { query: "packed" })).facts).toHaveLength(1);
    server.end();
    expect((await server.exited).code).toBe(0);
  });

  it("serves the old HTTP+SSE transport, and metrics", async () => {
    const server = await serveChild({ cli: program, args: ["--sse"] });
    const client = await connect("v1 client, HTTP+SSE", server);
    expect(await client.listTools()).toHaveLength(peopleTools.length);
    expect(await (await fetch(`${server.base}/metrics`)).text()).toContain("nightshift_");
    expect(await server.stop()).toBe(0);
  });
});

/** A project of a user's own beside the packed package. */
async function userProject(
  code: string,
): Promise<{ dir: string; run(args: readonly string[]): Promise<Child> }> {
  const dir = await tempDir();
  await mkdir(join(dir, "src"));
  await symlink(join(prefix, "node_modules"), join(dir, "node_modules"), "junction");
  await writeFile(join(dir, "package.json"), '{ "type": "module" }');
  await writeFile(join(dir, "src/main.ts"), code);
  return {
    dir,
    async run(args) {
      const child = start(args, { cwd: dir, env: { HOME: dir } });
      child.end();
      await child.exited;
      return child;
    },
  };
}

const EMBEDDING = `
import { createNightshift, defineJob, defineTool, ERROR_CODES, NightshiftError } from "nightshift";
import type { ErrorCode, Ghost, JobFields, Nightshift, NightshiftOptions, Register, RunStatus, Toolkit, ToolResult } from "nightshift";
import { z } from "zod";

export const dice = defineTool({
  name: "roll_dice",
  description: "Rolls dice.",
  inputSchema: z.strictObject({ sides: z.number().int().min(2).default(6) }),
  run: ({ sides }) => sides.toFixed(),
});
export const job = defineJob({ every: "1h", run: async (ghost: Ghost) => ghost.note("done") });
export const register: Register = (server, context) => {
  server.registerTool("name_of", { inputSchema: z.object({}) }, () => ({ content: [{ type: "text", text: context.userId }] }));
};
export const fields: JobFields = { every: "1h" };
const options: NightshiftOptions = { dataDir: "./data", logLevel: "silent", scheduler: false };
const night: Nightshift = await createNightshift(options);
const alice: Toolkit = await night.openContext({ user: "alice" });
const saved: ToolResult = await alice.call("save_fact", { fact: "Typed." });
const status: RunStatus = "succeeded";
const code: ErrorCode | undefined = ERROR_CODES[0];
console.log(saved.isError ?? false, status, code !== undefined, NightshiftError.name);
await alice.dispose();
await night.close();
`;

const STRICT = {
  target: "esnext",
  module: "nodenext",
  lib: ["esnext"],
  // The SDK's types name Node's Buffer.
  types: ["node"],
  typeRoots: [join(ROOT, "node_modules/@types")],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  noEmit: true,
};

describe("the public types of the packed package", () => {
  it("check in a strict project that has only Node's types beside it, and what they promise runs", async () => {
    const { dir, run } = await userProject(EMBEDDING);
    await writeFile(
      join(dir, "tsconfig.json"),
      JSON.stringify({ compilerOptions: STRICT, include: ["src"] }),
    );
    const checked = await run([join(ROOT, "node_modules/typescript/bin/tsc"), "-p", dir]);
    expect(checked.stdout()).toBe("");
    expect(await checked.exited).toMatchObject({ code: 0 });
    const ran = await run(["src/main.ts"]);
    expect(ran.stderr()).toBe("");
    expect(ran.stdout()).toBe("false succeeded true NightshiftError\n");
  });

  it("refuse what is wrong", async () => {
    const wrong = `import { defineTool } from "nightshift";\nexport const tool = defineTool({ name: 1 });\n`;
    const { dir, run } = await userProject(wrong);
    await writeFile(
      join(dir, "tsconfig.json"),
      JSON.stringify({ compilerOptions: STRICT, include: ["src"] }),
    );
    const checked = await run([join(ROOT, "node_modules/typescript/bin/tsc"), "-p", dir]);
    expect(checked.stdout()).toContain("src/main.ts(2,");
  });
});

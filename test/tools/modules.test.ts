import { mkdir, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { createCatalog } from "../../src/tools/catalog.ts";
import { loadToolModules } from "../../src/tools/modules.ts";
import { ROOT, tempDir } from "../harness.ts";
import { ask, endedRun, openProgram } from "../program.ts";

const ZOD = JSON.stringify(join(ROOT, "node_modules/zod/index.js"));
const NIGHTSHIFT = JSON.stringify(join(ROOT, "src/index.ts"));
const plain = (name: string) =>
  `export const tool = { name: "${name}", description: "Plain.", run: () => "${name}" };`;

/** A folder of modules, by their paths. */
async function folderOf(files: Record<string, string>): Promise<string> {
  const dir = await tempDir();
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir, file)), { recursive: true });
    await writeFile(join(dir, file), text);
  }
  return dir;
}

const namesIn = async (...patterns: string[]) =>
  (await loadToolModules(patterns)).tools.map(({ name }) => name);

describe("tool modules are found", () => {
  const files = {
    "b.js": plain("b"),
    "a.ts": `type Nothing = never;\n${plain("a")}`,
    "c.mjs": plain("c"),
    "notes.txt": "not a module",
    "types.d.ts": "export type T = never;",
    "deeper/d.js": plain("d"),
  };

  it("by file, in the order given", async () => {
    const dir = await folderOf(files);
    expect(await namesIn(join(dir, "c.mjs"), join(dir, "a.ts"))).toEqual(["c", "a"]);
  });

  it("by folder, alphabetically, not deeper", async () => {
    expect(await namesIn(await folderOf(files))).toEqual(["a", "b", "c"]);
  });

  it("by glob", async () => {
    const dir = await folderOf(files);
    expect(await namesIn(`${dir}/**/*.js`)).toEqual(["b", "d"]);
    expect(await namesIn(`${dir}/{a,b}.*`)).toEqual(["a", "b"]);
  });

  it("once, when named twice", async () => {
    const dir = await folderOf(files);
    expect(await namesIn(join(dir, "a.ts"), dir, `${dir}/*.ts`)).toEqual(["a", "b", "c"]);
  });

  it("in a folder whose name looks like a glob", async () => {
    const dir = await folderOf({ "tools [old] {1}/a.js": plain("a") });
    expect(await namesIn(join(dir, "tools [old] {1}"))).toEqual(["a"]);
    expect(await namesIn(join(dir, "tools [old] {1}", "a.js"))).toEqual(["a"]);
  });
});

describe("a tool module may", () => {
  it("export one tool or a list, by name or as the default, made with defineTool or not", async () => {
    const dir = await folderOf({
      "1-helper.ts": `import { defineTool } from ${NIGHTSHIFT}; import { z } from ${ZOD};
        export const add = defineTool({ name: "add", description: "Adds.", inputSchema: z.object({ a: z.number(), b: z.number() }),
          outputSchema: z.object({ sum: z.number() }), run: ({ a, b }) => ({ sum: a + b }) });`,
      "2-schema.js": `export default { name: "shout", description: "Shouts.", inputSchema: { type: "object",
          properties: { text: { type: "string" } }, required: ["text"], additionalProperties: false },
          run({ text }) { return this.louder(text); }, louder: (text) => text.toUpperCase() };`,
      "3-list.js": `export default [1, 2].map((n) => ({ name: "n" + n, description: "A number.", run: () => n }));
        export const somethingElse = { name: "no tool" };`,
      "4-twice.js": `${plain("twice")} export default tool;`,
      "5-create.js": `let made = 0; export const counter = { name: "counter", description: "Counts.",
          create: ({ userId }) => { const me = ++made; let n = 0; return { run: () => ({ userId, me, n: ++n }) }; } };`,
    });
    const program = await openProgram({ tools: [dir] });
    const [alice, bob] = [program.open("alice"), program.open("bob")];
    expect(await ask(alice, "add", { a: 2, b: 3 })).toEqual({ sum: 5 });
    expect((await alice.toolkit.call("shout", { text: "hey" })).content).toEqual([
      { type: "text", text: "HEY" },
    ]);
    expect((await alice.toolkit.call("n2")).content).toEqual([{ type: "text", text: "2" }]);
    expect(await ask(alice, "counter")).toEqual({ userId: "alice", me: 1, n: 1 });
    expect(await ask(bob, "counter")).toEqual({ userId: "bob", me: 2, n: 1 });
    expect(await ask(alice, "counter")).toEqual({ userId: "alice", me: 1, n: 2 });
    const own = alice.toolkit.list().slice(-6);
    expect(own.map(({ name }) => name)).toEqual(["add", "shout", "n1", "n2", "twice", "counter"]);
    expect(own.find(({ name }) => name === "add")).toMatchObject({
      title: "Add",
      inputSchema: { type: "object", required: ["a", "b"] },
      outputSchema: { type: "object", properties: { sum: { type: "number" } } },
    });
  });
});

describe("a bad tool module is refused with its name and what is wrong:", () => {
  const bad: [string, string, RegExp][] = [
    ["nothing in it", "export const n = 1;", /^bad\.js: it exports no tool and no register function/],
    ["a syntax error", "export const = 1;", /^bad\.js: it cannot be loaded: /],
    ["an error at load", 'throw new Error("no database");', /^bad\.js: it cannot be loaded: no database\.$/],
    ["something thrown that is no error", "throw 7;", /^bad\.js: it cannot be loaded: 7\.$/],
    [
      "an import that is not there",
      'import "no-such-package";',
      /^bad\.js: it cannot be loaded: .*no-such-package/,
    ],
    [
      "no description",
      'export const t = { name: "t", run() {} };',
      /^bad\.js: the export "t" needs a name and a description/,
    ],
    [
      "no name",
      'export default { name: 7, description: "x", run() {} };',
      /^bad\.js: the export "default" needs a name/,
    ],
    [
      "a run that is no function",
      'export const t = { name: "t", description: "x", run: 1 };',
      /^bad\.js: the tool "t" needs a function run, or create/,
    ],
    [
      "a list of fields for a schema",
      `import { z } from ${ZOD}; export const t = { name: "t", description: "x", inputSchema: { city: z.string() }, run() {} };`,
      /inputSchema of the tool "t" is a list of fields; wrap it in z\.object/,
    ],
    [
      "a schema that is no object's",
      `import { z } from ${ZOD}; export const t = { name: "t", description: "x", outputSchema: z.array(z.string()), run() {} };`,
      /outputSchema of the tool "t" must describe an object, not "array"/,
    ],
    [
      "a schema without JSON Schema",
      `import { z } from ${ZOD}; export const t = { name: "t", description: "x", inputSchema: z.object({ big: z.bigint() }), run() {} };`,
      /inputSchema of the tool "t" cannot be told as JSON Schema/,
    ],
    [
      "a schema that is a word",
      'export const t = { name: "t", description: "x", inputSchema: "string", run() {} };',
      /inputSchema of the tool "t" is no schema/,
    ],
  ];
  it.each(bad)("%s", async (_what, text, message) => {
    const dir = await folderOf({ "bad.js": text, "good.js": plain("good") });
    const error = await loadToolModules([dir]).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "TOOL_MODULE_INVALID", message: expect.stringMatching(message) });
  });

  it("a file that is not there, an empty folder, a glob without a match, another kind of file", async () => {
    const dir = await folderOf({ "empty/readme.txt": "" });
    for (const pattern of [
      join(dir, "none.js"),
      join(dir, "empty"),
      `${dir}/*.mjs`,
      join(dir, "empty/readme.txt"),
    ])
      await expect(loadToolModules([pattern])).rejects.toThrow(
        `${basename(pattern)}: no module is there; name a .ts or .js file, a folder or a glob.`,
      );
  });

  it.each(["whoami", "save_fact"])("a tool with the name of a built-in one: %s", async (name) => {
    const dir = await folderOf({ "mine.js": plain(name) });
    await expect(openProgram({ tools: [dir] })).rejects.toThrow(
      `Two tools are named "${name}"; rename one of them.`,
    );
  });

  it("two tools of one name, and a name that is none", async () => {
    const twice = await loadToolModules([await folderOf({ "a.js": plain("same"), "b.js": plain("same") })]);
    expect(() => createCatalog(twice.tools)).toThrow('Two tools are named "same"');
    const odd = await loadToolModules([await folderOf({ "a.js": plain("my tool!") })]);
    expect(() => createCatalog(odd.tools)).toThrow('"my tool!" is no tool name');
  });
});

describe("a ghost", () => {
  it("loads the modules in its own thread: what a module keeps is fresh in every run", async () => {
    const dir = await folderOf({
      "state.js": `let calls = 0; export const counter = { name: "counter", description: "Counts.",
        annotations: { readOnlyHint: true }, run: () => ({ calls: ++calls, entity: globalThis.process.env.HOME ?? "no environment" }) };`,
    });
    const program = await openProgram({ tools: [dir], scheduler: true });
    const alice = program.open();
    expect(await ask(alice, "counter")).toMatchObject({ calls: 1 });
    const { job_id } = await ask(alice, "schedule_task", { tool: { name: "counter" }, every_seconds: 3_600 });
    for (let i = 0; i < 2; i++) {
      const { run_id } = await ask(alice, "run_job", { job_id });
      const { output } = await endedRun(alice, job_id, run_id);
      expect(JSON.parse(output)).toEqual({ calls: 1, entity: "no environment" });
    }
    expect(await ask(alice, "counter")).toMatchObject({ calls: 2 });
  });
});

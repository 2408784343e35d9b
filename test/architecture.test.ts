import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "./harness.ts";
import { IMPORTS, isOwn, SOURCES, show, withoutComments } from "./imports.ts";

const RUNTIME = IMPORTS.filter(({ how }) => how !== "type");

/** `src/facts/keyv.ts` is in the folder `facts`; `src/app.ts` stands for itself. */
const roomOf = (file: string): string => file.replace(/^src\//, "").replace(/(?:\/.*|\.ts)$/, "");

/** The folders that each folder may import when the program runs. Each may import itself, `errors` and `version`. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  version: [],
  log: [],
  async: [],
  lifecycle: [],
  activity: [],
  events: [],
  context: [],
  "expand-home": [],
  config: ["expand-home", "log"],
  jobs: [],
  database: ["async", "jobs", "lifecycle"],
  facts: ["async", "database"],
  inbox: ["database", "jobs"],
  webhooks: ["database", "jobs"],
  store: ["context", "database", "inbox", "jobs", "lifecycle", "webhooks"],
  model: ["async"],
  tools: ["context", "jobs", "lifecycle"],
  upstream: ["expand-home", "lifecycle", "tools"],
  "jobs-folder": ["jobs", "webhooks"],
  connection: ["context", "jobs", "lifecycle", "tools"],
  ghost: ["async", "context", "jobs", "tools"],
  scheduler: ["database", "ghost", "jobs", "jobs-folder", "model", "store", "upstream", "webhooks"],
  transport: ["connection", "context", "events"],
  move: ["database"],
  "open-stores": ["database", "facts", "inbox", "jobs", "lifecycle", "model", "store", "webhooks"],
  "user-zone": ["config", "jobs", "tools"],
  app: [
    "activity",
    "config",
    "connection",
    "context",
    "events",
    "ghost",
    "lifecycle",
    "open-stores",
    "scheduler",
    "store",
    "tools",
    "upstream",
    "user-zone",
    "webhooks",
  ],
  index: ["app", "config", "context", "jobs-folder", "log", "tools"],
  cli: [
    "app",
    "config",
    "connection",
    "context",
    "database",
    "facts",
    "jobs",
    "jobs-folder",
    "lifecycle",
    "log",
    "model",
    "move",
    "scheduler",
    "store",
    "tools",
    "transport",
    "upstream",
    "webhooks",
  ],
};
const EVERYBODYS = ["errors", "version"];

/** Files that stand for one technology, behind a contract: only the composition roots may name them. */
const ADAPTERS =
  /^src\/(?:facts\/(?:keyv|sqlite|postgres|doctor)|database\/(?:open-\w+|\w+-doctor|postgres-rows)|store\/(?:job-store|run-store|api-keys|open-run-queue)|inbox\/inbox-store|webhooks\/(?:webhook-store|outbox)|model\/(?:provider|embeddings)|scheduler\/(?:threads|pg-boss))\.ts$/;
const COMPOSITION_ROOTS = ["app", "open-stores", "scheduler", "cli"];

/** Strongly connected components of more than one node (Tarjan 1972), each as its names. */
function circlesIn(graph: ReadonlyMap<string, ReadonlySet<string>>): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (node: string): void => {
    const own = index.size;
    index.set(node, own);
    low.set(node, own);
    stack.push(node);
    for (const next of graph.get(node) ?? []) {
      if (!index.has(next)) visit(next);
      if (stack.includes(next)) low.set(node, Math.min(low.get(node) ?? own, low.get(next) ?? own));
    }
    if (low.get(node) !== own) return;
    const component = stack.splice(stack.indexOf(node));
    if (component.length > 1) found.push(component.sort());
  };
  for (const node of graph.keys()) if (!index.has(node)) visit(node);
  return found;
}

/** Static and type imports as a graph, of whatever `nodeOf` makes of a file. */
function graphOf(nodeOf: (file: string) => string): Map<string, Set<string>> {
  const graph = new Map<string, Set<string>>();
  for (const { from, to } of IMPORTS.filter((one) => isOwn(one) && one.how !== "dynamic")) {
    const targets = graph.get(nodeOf(from)) ?? new Set();
    graph.set(nodeOf(from), targets);
    if (nodeOf(to) !== nodeOf(from)) targets.add(nodeOf(to));
  }
  return graph;
}

describe("imports", () => {
  it("are found at all", () => {
    expect(SOURCES.size).toBeGreaterThan(80);
    expect(RUNTIME.filter(isOwn).length).toBeGreaterThan(150);
    expect(IMPORTS.map(show)).toContain("src/facts/sqlite.ts -> keyv (dynamic)");
    expect(IMPORTS.map(show)).toContain("src/tools/toolkit.ts -> src/context/current-context.ts (static)");
  });

  it("lead to files that exist", () => {
    const lost = IMPORTS.filter((one) => isOwn(one) && !SOURCES.has(one.to));
    expect(lost.map(show)).toEqual([]);
  });

  it("point inward, as the table says", () => {
    const wrong = RUNTIME.filter(isOwn).filter(({ from, to }) => {
      const [here, there] = [roomOf(from), roomOf(to)];
      return here !== there && !EVERYBODYS.includes(there) && !MAY_IMPORT[here]?.includes(there);
    });
    expect(wrong.map(show)).toEqual([]);
  });

  it("form no circle, neither of files nor of folders, types included", () => {
    const known = new Map([
      ["a", new Set(["b"])],
      ["b", new Set(["c"])],
      ["c", new Set(["a"])],
    ]);
    expect(circlesIn(known)).toEqual([["a", "b", "c"]]);
    expect(circlesIn(graphOf((file) => file))).toEqual([]);
    expect(circlesIn(graphOf(roomOf))).toEqual([]);
  });

  it("of context, errors and log stay at home, types too", () => {
    const out = IMPORTS.filter(isOwn).filter(
      ({ from, to }) => ["context", "errors", "log"].includes(roomOf(from)) && roomOf(from) !== roomOf(to),
    );
    expect(out.map(show)).toEqual([]);
  });

  it("of an adapter are made by the composition roots and the adapter's own folder", () => {
    const wrong = RUNTIME.filter(
      ({ from, to }) =>
        ADAPTERS.test(to) && !COMPOSITION_ROOTS.includes(roomOf(from)) && roomOf(from) !== roomOf(to),
    );
    expect(wrong.map(show)).toEqual([]);
    expect(RUNTIME.filter(({ to }) => ADAPTERS.test(to)).length).toBeGreaterThan(5);
  });

  it("of packages that hold data, threads or a provider come from one folder each", () => {
    const homes: Record<string, readonly string[]> = {
      keyv: ["facts"],
      "@keyv/sqlite": ["facts"],
      "@keyv/postgres": ["facts"],
      "node:sqlite": ["database"],
      kysely: ["database"],
      pg: ["database"],
      "pg-boss": ["scheduler"],
      bree: ["scheduler"],
      pino: ["log"],
      ai: ["model"],
      yaml: ["jobs-folder", "cli"],
      commander: ["cli"],
      standardwebhooks: ["webhooks"],
    };
    const wrong = RUNTIME.filter(({ from, to }) => homes[to] && !homes[to]?.includes(roomOf(from)));
    expect(wrong.map(show)).toEqual([]);
  });

  it("let nobody but a connection and a ghost say what kind of entity acts", () => {
    const users = [...SOURCES].filter(([, text]) => /\bsetEntityType\b/.test(withoutComments(text)));
    expect(users.map(([file]) => file)).toEqual([
      "src/connection/connection.ts",
      "src/context/current-context.ts",
      "src/ghost/thread/session.ts",
    ]);
  });
});

describe("the source", () => {
  const linesWith = (pattern: RegExp): string[] =>
    [...SOURCES].flatMap(([file, text]) =>
      withoutComments(text)
        .split("\n")
        .flatMap((line) => (pattern.test(line) ? [`${file}: ${line.trim()}`] : [])),
    );

  it("reads the environment in config.ts only", () => {
    const readers = linesWith(/\bprocess\.env\b/).filter((line) => !line.startsWith("src/config.ts: "));
    // A child finds programs by the PATH of its parent, and gets nothing else of the environment.
    expect(readers.filter((line) => !/^src\/[\w/-]+\.ts: PATH: process\.env\.PATH/.test(line))).toEqual([]);
  });

  it("writes to stdout from the command line only", () => {
    const writers = linesWith(/\bprocess\.stdout\b|\{[^}]*\bstdout\b[^}]*\} = process\b|\bconsole\.\w/);
    // A stdio server's stdout carries MCP alone: stdio.ts takes it from everybody else.
    expect(writers.filter((line) => !/^src\/(?:cli\/|cli\.ts|transport\/stdio\.ts)/.test(line))).toEqual([]);
  });

  it("ends the process from cli.ts only", () => {
    const files = linesWith(/\bprocess\.(?:exit|abort|reallyExit)\b/).map((line) => line.split(":")[0]);
    expect([...new Set(files)]).toEqual(["src/cli.ts"]);
  });

  it("knows nothing of the machine it was written on", () => {
    // Put together here, so that this file does not contain what it looks for.
    const places = new RegExp(
      ["/work" + "/", "/root" + "/", "registry\\." + "npm", "127\\.0\\.0\\.1:48" + "73"].join("|"),
    );
    expect(linesWith(places)).toEqual([]);
  });

  it("has one barrel", () => {
    expect(linesWith(/^export \* from/)).toEqual([]);
    const barrels = [...SOURCES].filter(([, text]) => (text.match(/^export \{/gm) ?? []).length > 1);
    expect(barrels.map(([file]) => file)).toEqual(["src/index.ts"]);
  });

  it("is made of files of at most 300 lines, tests too", () => {
    const sizes = globSync("{src,test}/**/*.ts", { cwd: ROOT }).map(
      (file) => [file, readFileSync(join(ROOT, file), "utf8").split("\n").length - 1] as const,
    );
    expect(sizes.filter(([, lines]) => lines > 300)).toEqual([]);
    const source = sizes.filter(([file]) => file.startsWith("src/")).map(([, lines]) => lines);
    expect(source.sort((a, b) => a - b)[Math.floor(source.length / 2)]).toBeLessThan(130);
  });
});

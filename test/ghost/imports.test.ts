import { describe, expect, it } from "vitest";
import { IMPORTS, type Import, importsOf, isOwn, show } from "../imports.ts";

describe("a ghost's thread", () => {
  /** The one package beyond the list: the SDK's JSON Schema validator, for users' tools in JSON Schema. */
  const EXCEPTION = "src/tools/schema.ts -> @modelcontextprotocol/server (dynamic)";

  const reachable = new Map<string, Import>();
  const visit = (file: string): void => {
    for (const one of importsOf(file)) {
      if (one.how === "type" || reachable.has(one.to)) continue;
      if (show(one) !== EXCEPTION) reachable.set(one.to, one);
      if (isOwn(one)) visit(one.to);
    }
  };
  visit("src/ghost/thread/entry.ts");

  it("reaches its tools", () => {
    expect([...reachable.keys()]).toContain("src/tools/facts.ts");
    expect([...reachable.keys()]).toContain("src/tools/modules.ts");
  });

  /** The files of `src/ghost` that a thread loads, its own folder besides. */
  const SHARED = ["allowed-tools.ts", "protocol/messages.ts", "protocol/parse-thread.ts"];
  /** Everything that those may import, types too. An import that is added there must be added here, on purpose. */
  const THREAD_MAY_IMPORT = [
    "node:path",
    "node:url",
    "node:worker_threads",
    "zod",
    "src/context/current-context.ts",
    "src/context/user-context.ts",
    "src/errors.ts",
    "src/jobs-folder/define-job.ts",
    "src/jobs/contracts.ts",
    "src/jobs/cut-text.ts",
    "src/jobs/job.ts",
    "src/jobs/run.ts",
    "src/jobs/time.ts",
    "src/model/model.ts",
    "src/tools/builtin-ghost.ts",
    "src/tools/catalog.ts",
    "src/tools/define.ts",
    "src/tools/modules.ts",
    "src/tools/result.ts",
    "src/tools/schema.ts",
    "src/tools/services.ts",
    "src/tools/toolkit.ts",
    "src/tools/upstream.ts",
  ];

  it("imports what is on its list and nothing else, types included", () => {
    const shared = SHARED.map((file) => `src/ghost/${file}`);
    const isThreads = (file: string) => file.startsWith("src/ghost/thread/") || shared.includes(file);
    const own = IMPORTS.filter(({ from }) => isThreads(from));
    const outward = own.filter(({ to }) => !isThreads(to));
    expect(outward.filter(({ to }) => !THREAD_MAY_IMPORT.includes(to)).map(show)).toEqual([]);
    expect(THREAD_MAY_IMPORT.filter((name) => !outward.some(({ to }) => to === name))).toEqual([]);
  });

  it("reaches no store, no log, no provider and no protocol", () => {
    const forbidden =
      /^src\/(?:facts|database|store|inbox|webhooks|model|scheduler|connection|transport|cli|upstream|jobs-folder|jobs\/(?:field-forms|fields|schedule|moment|catch-up)|log|config|app|open-stores)\b|^(?:@?keyv|node:sqlite|sqlite|kysely|pg|pino|ai$|@ai-sdk|bree|@modelcontextprotocol)/;
    const forbiddenImports = [...reachable.values()].filter(({ to }) => forbidden.test(to));
    expect(forbiddenImports.map(show)).toEqual([]);
  });
});

import { globSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { memoryFolder } from "./test/memory-folder.ts";

// Inherited by every process and thread of the tests: files in memory, and code that is compiled once for all of them.
const memory = memoryFolder();
if (memory) process.env.TMPDIR = memory;
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, "node_modules/.cache/nightshift-test");

/** Rounds of kills, restarts, crowds and zones, which take long by nature: `npm run test:long`. */
const LONG = [
  "test/chaos/*.test.ts",
  "test/database/processes.test.ts",
  "test/http/{crowd,memory}.test.ts",
  "test/jobs/clock-changes.test.ts",
  "test/scheduler/nodes.test.ts",
  "test/{kill,packed,power-cut}.test.ts",
];

if (Number.parseInt(process.versions.node, 10) < 24) {
  const advice = "Run them with `npm test` or `npx vitest`, which use the Node 24 that `npm ci` installs.";
  process.stderr.write(`The tests need Node 24; this is ${process.version}. ${advice}\n`);
  process.exit(1);
}

/** What shows most of the whole program, and so runs on Postgres too. The stores' contracts run on both by themselves. */
const ON_BOTH = [
  "test/api.test.ts",
  "test/ghost/{after,ask-owner,budgets,go-on,prompt}.test.ts",
  "test/http/{isolation,limits,notifications}.test.ts",
  "test/scheduler/serving.test.ts",
  "test/tools/{already-scheduled,names,schedules,timezone}.test.ts",
];

/** Pure functions, and the program within the test's own process: `npm run test:quick`. */
export const QUICK = [
  "test/{activity,architecture,architecture-page,async,open-stores,readme}.test.ts",
  "test/{context,model}/*.test.ts",
  "test/connection/{completions,sdk-patches,shared}.test.ts",
  "test/database/{flush,ids,open,plans}.test.ts",
  "test/facts/{keyv,migrations,search*}.test.ts",
  "test/ghost/{imports,lost,pinned-facts,prompt}.test.ts",
  "test/http/{isolation,notifications,transports,web}.test.ts",
  "test/{jobs,jobs-folder}/{catch-up,coalesce,dependencies,field-names,fields,policy-times,scan,schedule}.test.ts",
  "test/scheduler/{thread-limiter,threads,worker}.test.ts",
  "test/tools/{memory,modules,results,schemas,toolkit}.test.ts",
  "test/upstream/config.test.ts",
  "test/webhooks/{address,dispatcher,post,resolve}.test.ts",
];

for (const pattern of [...LONG, ...ON_BOTH, ...QUICK])
  if (globSync(pattern, { cwd: import.meta.dirname }).length === 0)
    throw new Error(`vitest.config.ts names tests that are not there: ${pattern}`);

export const COMMON = {
  pool: "forks",
  // V8 can crash in the wrapper of fetch's WebAssembly parser when it compiles that anew while threads end.
  execArgv: ["--wasm-wrapper-tiering-budget=2000000000"] as string[],
  // One more than cores: much of what is tested is waiting, for a second to be over or a process to end.
  maxWorkers: availableParallelism() + 1,
  setupFiles: "test/setup.ts",
  testTimeout: 30_000,
  hookTimeout: 60_000,
} as const;

/** Rounds take several times as long while the machine is busy with something else. */
const LONG_TIMEOUT_MS = 600_000;

const project = (
  name: string,
  database: "SQLite" | "Postgres",
  include: string[],
  exclude: string[] = [],
) => ({
  extends: true as const,
  test: { name, include, exclude, provide: { database } },
});

export default defineConfig({
  test: {
    ...COMMON,
    projects: [
      project("SQLite", "SQLite", ["test/**/*.test.ts"], LONG),
      project("Postgres", "Postgres", ON_BOTH),
      {
        extends: true,
        test: {
          name: "lanes",
          include: ["test/http/*.test.ts"],
          // The first compares by itself; what the second counts would be twice as much.
          exclude: [...LONG, "test/http/{direct,limits}.test.ts"],
          provide: { database: "SQLite" },
          // Each request that may be repeated is also sent to a server that leaves it to the SDK.
          env: { NIGHTSHIFT_TEST_LANES: "both" },
        },
      },
      {
        extends: true,
        test: { name: "long", include: LONG, provide: { database: "SQLite" }, testTimeout: LONG_TIMEOUT_MS },
      },
    ],
    globalSetup: ["test/built.ts", "test/postgres/global.ts"],
  },
});

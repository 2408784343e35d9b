import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { memoryFolder } from "./test/memory-folder.ts";

// Inherited by every process and thread of the tests: files in memory, and code that is compiled once for all of them.
const memory = memoryFolder();
if (memory) process.env.TMPDIR = memory;
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, "node_modules/.cache/nightshift-test");

/** Rounds of kills, crowds and the like, which run for long by nature: `npm run test:long`. */
const LONG = [
  "test/chaos/*.test.ts",
  "test/database/processes.test.ts",
  "test/http/{crowd,memory}.test.ts",
  "test/{kill,power-cut}.test.ts",
];

/** What shows most of the whole program, and so runs on Postgres too. The stores' contracts run on both by themselves. */
const ON_BOTH = [
  "test/api.test.ts",
  "test/ghost/{after,budgets,prompt}.test.ts",
  "test/http/{isolation,limits,notifications}.test.ts",
  "test/tools/schedules.test.ts",
];

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
    projects: [
      project("SQLite", "SQLite", ["test/**/*.test.ts"], LONG),
      project("Postgres", "Postgres", ON_BOTH),
      project("long", "SQLite", LONG),
    ],
    pool: "forks",
    // Much of what is tested is waiting: for a second to be over, for a process to end.
    maxWorkers: "100%",
    globalSetup: ["test/built.ts", "test/postgres/global.ts"],
    setupFiles: ["test/setup.ts"],
    testTimeout: 20_000,
    hookTimeout: 30_000,
  },
});

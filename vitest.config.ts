import { defineConfig } from "vitest/config";

if (Number.parseInt(process.versions.node, 10) < 24) {
  const advice = "Run them with `npm test` or `npx vitest`, which use the Node 24 that `npm ci` installs.";
  process.stderr.write(`The tests need Node 24; this is ${process.version}. ${advice}\n`);
  process.exit(1);
}

/** What shows most of the whole program, and so runs on Postgres too. The stores' contracts run on both by themselves. */
const ON_BOTH = [
  "test/api.test.ts",
  "test/ghost/{after,budgets,prompt}.test.ts",
  "test/http/{isolation,limits,notifications}.test.ts",
  "test/tools/schedules.test.ts",
];

const project = (database: "SQLite" | "Postgres", include: string[]) => ({
  extends: true as const,
  test: { name: database, include, provide: { database } },
});

export default defineConfig({
  test: {
    projects: [project("SQLite", ["test/**/*.test.ts"]), project("Postgres", ON_BOTH)],
    pool: "forks",
    // Much of what is tested is waiting: for a second to be over, for a process to end.
    maxWorkers: "100%",
    globalSetup: ["test/postgres/global.ts"],
    setupFiles: ["test/setup.ts"],
    testTimeout: 20_000,
    hookTimeout: 30_000,
  },
});

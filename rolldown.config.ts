import { chmod } from "node:fs/promises";
import { defineConfig } from "rolldown";

// Left outside: native code, and what is only loaded by some commands or finds files of its own beside itself.
const external = [
  "@keyv/sqlite",
  "@keyv/postgres",
  "pg",
  "pg-boss",
  "sqlite3",
  "bree",
  "snowball-stemmers",
  "express",
  "@modelcontextprotocol/express",
  "prom-client",
  "@modelcontextprotocol/sdk",
  "standardwebhooks",
];
const common = { platform: "node", external, treeshake: true } as const;

export default defineConfig([
  {
    ...common,
    input: { cli: "src/cli.ts", index: "src/index.ts" },
    plugins: [{ name: "executable", writeBundle: () => chmod("dist/cli.js", 0o755) }],
    output: {
      dir: "dist",
      format: "esm",
      minify: { compress: true, mangle: false, codegen: false },
      cleanDir: true,
    },
  },
  // What a thread loads is one file: it is read and compiled for every ghost.
  ...["ghost/thread", "jobs/folder/describe-thread"].map((entry) => ({
    ...common,
    // The SDK's JSON Schema validator: only for a user's tool that is written in JSON Schema, and then from its package.
    external: [...external, "@modelcontextprotocol/server"],
    input: `src/${entry}.ts`,
    output: {
      file: `dist/${entry === "ghost/thread" ? "ghost-thread" : "describe-thread"}.js`,
      format: "esm" as const,
      codeSplitting: false,
      minify: true,
    },
  })),
]);

import { chmod } from "node:fs/promises";
import { defineConfig, type Plugin } from "rolldown";

// Left outside: native code, and what is only loaded by some commands or finds files of its own beside itself.
const external = [
  "@keyv/sqlite",
  "@keyv/postgres",
  "pg",
  "pg-boss",
  "sqlite3",
  "bree",
  "snowball-stemmers",
  "prom-client",
  "@modelcontextprotocol/sdk",
  "standardwebhooks",
];

/** V8 keeps a source with one wide character in two bytes for each, in every thread that loads it. */
const ascii: Plugin = {
  name: "ascii",
  generateBundle(_options, bundle) {
    const toEscape = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
    for (const file of Object.values(bundle))
      if (file.type === "chunk") file.code = file.code.replaceAll(/[\u0080-\uffff]/g, toEscape);
  },
};

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
  ...["ghost/thread/entry", "jobs-folder/load-thread"].map((entry) => ({
    ...common,
    // The SDK's JSON Schema validator: only for a user's tool that is written in JSON Schema, and then from its package.
    external: [...external, "@modelcontextprotocol/server"],
    input: `src/${entry}.ts`,
    plugins: [ascii],
    output: {
      file: `dist/${entry === "ghost/thread/entry" ? "ghost-thread" : "load-thread"}.js`,
      format: "esm" as const,
      codeSplitting: false,
      minify: true,
    },
  })),
]);

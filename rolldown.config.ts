import { chmod } from "node:fs/promises";
import { defineConfig, type Plugin } from "rolldown";

// Not bundled: native code, and packages that only some commands load or that read files of their own.
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

/** Escapes wide characters: with one of them, V8 keeps the whole source at two bytes a character, in each thread. */
const ascii: Plugin = {
  name: "ascii",
  generateBundle(_options, bundle) {
    const toEscape = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
    for (const file of Object.values(bundle))
      if (file.type === "chunk") file.code = file.code.replaceAll(/[\u0080-\uffff]/g, toEscape);
  },
};

// Its main file is UMD, whose parts a bundler does not find.
const resolve = { alias: { "jsonc-parser": "jsonc-parser/lib/esm/main.js" } };

const common = { platform: "node", external, treeshake: true, resolve } as const;

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
  // A thread loads one file, because it is read and compiled for every ghost.
  ...["ghost/thread/entry", "jobs-folder/load-thread"].map((entry) => ({
    ...common,
    // The SDK has the JSON Schema validator, which is loaded only for a user's tool that is written in JSON Schema.
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

import { chmod } from "node:fs/promises";
import { defineConfig, type Plugin } from "rolldown";
import { dts } from "rolldown-plugin-dts";
import { createLicences } from "./release/licences.ts";
import { INSTALLED } from "./release/manifest.ts";

// `pg` takes it where a user has installed it. It is native code.
const external = ["pg-native"];

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

const licences = createLicences("dist/LICENSES.txt");

const common = { platform: "node", external, treeshake: true, resolve } as const;

export default defineConfig([
  {
    ...common,
    input: { cli: "src/cli.ts", index: "src/index.ts" },
    plugins: [licences.collect, { name: "executable", writeBundle: () => chmod("dist/cli.js", 0o755) }],
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
    plugins: [ascii, licences.collect],
    output: {
      file: `dist/${entry === "ghost/thread/entry" ? "ghost-thread" : "load-thread"}.js`,
      format: "esm" as const,
      codeSplitting: false,
      minify: true,
    },
  })),
  // It has the stemmers of all languages: read and compiled when a text is first searched, and not at the start.
  {
    ...common,
    input: "snowball-stemmers",
    plugins: [licences.collect],
    output: { file: "dist/snowball-stemmers.cjs", format: "cjs", codeSplitting: false, minify: true },
  },
  {
    platform: "node",
    input: { index: "src/index.ts" },
    external: [...INSTALLED],
    plugins: [
      dts({
        emitDtsOnly: true,
        tsgo: { path: "node_modules/typescript/bin/tsc" },
        tsconfig: "tsconfig.build.json",
      }),
      licences.write,
    ],
    output: { dir: "dist", format: "esm" },
  },
]);

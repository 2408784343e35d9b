import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "rolldown";

const PACKAGE = /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/;

/** Collects the packages that are bundled, and writes their licences to `file`: each asks to be kept with every copy. */
export function createLicences(file: string): { collect: Plugin; write: Plugin } {
  const folders = new Set<string>();
  return {
    collect: {
      name: "collect-licences",
      generateBundle(_options, bundle) {
        for (const output of Object.values(bundle))
          for (const id of output.type === "chunk" ? output.moduleIds : []) {
            const [folder] = PACKAGE.exec(id) ?? [];
            if (folder) folders.add(folder);
          }
      },
    },
    write: {
      name: "write-licences",
      writeBundle: () =>
        writeFileSync(
          file,
          [...folders]
            .sort()
            .map(describe)
            .join(`\n${"-".repeat(80)}\n\n`),
        ),
    },
  };
}

function describe(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const text = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  const terms = text ? readFileSync(join(folder, text), "utf8") : "";
  return `${name} ${version}, ${license}\n\n${terms.trim()}\n`;
}

import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { ROOT } from "./harness.ts";

export interface Import {
  readonly from: string;
  /** A file under src, or a package. */
  readonly to: string;
  readonly how: "static" | "dynamic" | "type";
}

export const withoutComments = (text: string): string =>
  text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/^\s*\/\/.*$/gm, "");

/** The text of each file under src, by its path from the root. */
export const SOURCES = new Map(
  globSync("src/**/*.ts", { cwd: ROOT })
    .sort()
    .map((file) => [file, readFileSync(join(ROOT, file), "utf8")] as const),
);

export function importsOf(file: string): Import[] {
  const text = withoutComments(SOURCES.get(file) ?? "");
  const resolve = (name: string) => (name.startsWith(".") ? normalize(join(dirname(file), name)) : name);
  const found: Import[] = [];
  for (const [, what = "", name = ""] of text.matchAll(/^(?:import|export)\b([^;"]*?)\bfrom\s+"([^"]+)"/gm))
    found.push({ from: file, to: resolve(name), how: /^\s+type\b/.test(what) ? "type" : "static" });
  for (const [, name = ""] of text.matchAll(/^import\s+"([^"]+)"/gm))
    found.push({ from: file, to: resolve(name), how: "static" });
  for (const [, name = ""] of text.matchAll(/\bimport\("([^"]+)"\)/g))
    found.push({ from: file, to: resolve(name), how: "dynamic" });
  return found;
}

export const IMPORTS = [...SOURCES.keys()].flatMap(importsOf);

export const isOwn = ({ to }: Import): boolean => to.startsWith("src/");
export const show = ({ from, to, how }: Import): string => `${from} -> ${to} (${how})`;

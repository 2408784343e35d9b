import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "./harness.ts";

const SRC = join(ROOT, "src");
const PAGE = readFileSync(join(SRC, "README.md"), "utf8");

/** The cells of the table that follows the heading `columns`, row by row. */
const rowsUnder = (...columns: string[]): string[][] =>
  PAGE.split(`| ${columns.join(" | ")} |\n`)
    .slice(1)
    .flatMap((after) => {
      const table = after.split("\n\n")[0] ?? "";
      return table
        .split("\n")
        .slice(1)
        .filter((line) => line.startsWith("|"))
        .map((line) =>
          line
            .split("|")
            .slice(1, -1)
            .map((cell) => cell.trim()),
        );
    });

const named = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);

/** Each hop of the walks, as the file and the function that it names. */
const HOPS = rowsUnder("file", "function", "what happens").map(([file = "", fn = ""]) => ({
  file: named(file)[0] ?? "",
  name: (named(fn)[0] ?? "").replace(/\(\)$/, ""),
}));

describe("src/README.md", () => {
  it("has five walks", () => {
    expect(rowsUnder("word", "meaning")).toHaveLength(12);
    expect(PAGE.split("| file | function | what happens |")).toHaveLength(6);
    expect(HOPS.length).toBeGreaterThan(30);
  });

  it.each(HOPS)("names what there is: $file $name", ({ file, name }) => {
    const source = readFileSync(join(SRC, file), "utf8");
    expect(source).toMatch(new RegExp(`^(?:export )?(?:async )?(?:function|const) ${name}\\b`, "m"));
  });

  it("names only files, folders and links that exist", () => {
    const names = named(PAGE.replaceAll(/```[\s\S]*?```/g, "")).filter((name) =>
      /^[\w./-]+(?:\/|\.ts)$/.test(name),
    );
    expect(names.length).toBeGreaterThan(60);
    const isThere = (name: string) => existsSync(join(SRC, name)) || existsSync(join(ROOT, name));
    expect(names.filter((name) => !isThere(name))).toEqual([]);
    const links = [...PAGE.matchAll(/\]\(((?!https?:|#)[^)]+)\)/g)].map(([, path = ""]) => path);
    expect(links.filter((path) => !existsSync(join(SRC, path)))).toEqual([]);
  });

  it("says of each folder what the architecture test lets it import", () => {
    const test = readFileSync(join(ROOT, "test/architecture.test.ts"), "utf8");
    const [, table = "{}"] = /\bMAY_IMPORT\b[^=]*= (\{[\s\S]*?\n\});/.exec(test) ?? [];
    const mayImport: Record<string, string[]> = new Function(`return ${table}`)();
    const rows = rowsUnder("folder or file", "holds", "may import");
    const folders = Object.keys(mayImport).filter(
      (name) => existsSync(join(SRC, name, "/")) && name !== "cli",
    );
    expect(rows.map(([name = ""]) => named(name)[0]).sort()).toEqual(folders.sort());
    for (const [name = "", , imports = ""] of rows)
      expect(named(imports), name).toEqual(mayImport[named(name)[0] ?? ""]);
  });

  it("gives a reason for each dependency, and for no other package", () => {
    const { dependencies, devDependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    const packages = Object.keys({ ...dependencies, ...devDependencies });
    const reasons = rowsUnder("package", "for").flatMap(([cell = ""]) => named(cell));
    expect(reasons.sort()).toEqual(packages.filter((name) => !name.startsWith("@types/")).sort());
  });
});

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import KeyvSqlite from "@keyv/sqlite";
import { describe, expect, it, onTestFinished } from "vitest";
import { openKeyvFacts } from "../../src/facts/keyv.ts";
import { FACTS_MIGRATIONS, openFactsFile } from "../../src/facts/sqlite.ts";
import { tempDir } from "../harness.ts";
import { ALICE } from "./fact-store-contract.ts";
import { LIMITS } from "./limits.ts";

const STEP = ["CREATE TABLE notes (text TEXT)", "INSERT INTO notes VALUES ('new')"];
const BROKEN = ["DELETE FROM keyv", "INSERT INTO nowhere VALUES (1)"];

const backupsOf = (file: string) =>
  readdirSync(join(file, "..")).filter((name) => /\.(?:bak|tmp)$/.test(name));

/** A file of this version with one fact. */
async function fileWithFact(): Promise<string> {
  const file = join(await tempDir(), "facts.sqlite");
  await saveIn(file, "Tea.");
  return file;
}

async function saveIn(file: string, text: string): Promise<void> {
  const backend = openKeyvFacts({ file, limits: LIMITS });
  await backend.open(ALICE).save({ text });
  await backend.close();
}

async function bring(file: string, ...steps: string[][]): Promise<void> {
  const opened = await openFactsFile(file, 15_000, [...FACTS_MIGRATIONS, ...steps]);
  await opened.close();
}

async function read(file: string, sql: string): Promise<unknown[]> {
  const raw = new KeyvSqlite({ uri: `sqlite://${file}`, busyTimeout: 2_000 });
  const rows = await raw.query(sql);
  await raw.close();
  return rows;
}

describe("a facts file of an older version", () => {
  it("is copied as it was, for this account only, before the first step", async () => {
    const file = await fileWithFact();
    expect(backupsOf(file)).toEqual([]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    await bring(file, STEP);
    await bring(file, STEP);
    expect(backupsOf(file)).toEqual([`facts.sqlite.v${FACTS_MIGRATIONS.length}.bak`]);
    const cached = `${file}.v${FACTS_MIGRATIONS.length}.bak`;
    expect(statSync(cached).mode & 0o777).toBe(0o600);
    expect(await read(cached, "SELECT key FROM keyv")).toHaveLength(1);
    expect(await read(cached, "SELECT name FROM sqlite_master WHERE name = 'notes'")).toEqual([]);
    expect(await read(cached, "PRAGMA user_version")).toEqual([{ user_version: FACTS_MIGRATIONS.length }]);
    expect(await read(file, "SELECT text FROM notes")).toEqual([{ text: "new" }]);
  });

  it("is left as it was by a step that fails", async () => {
    const file = await fileWithFact();
    await expect(bring(file, STEP, BROKEN)).rejects.toMatchObject({ code: "DATA_UNAVAILABLE" });
    expect(await read(file, "SELECT name FROM sqlite_master WHERE name = 'notes'")).toEqual([]);
    await saveIn(file, "Coffee.");
    expect(await read(file, "SELECT key FROM keyv")).toHaveLength(2);
  });

  it("is brought on once by two who open it at the same moment", async () => {
    const file = await fileWithFact();
    await Promise.all([bring(file, STEP), bring(file, STEP), bring(file, STEP)]);
    expect(await read(file, "SELECT text FROM notes")).toHaveLength(1);
    expect(backupsOf(file)).toEqual([`facts.sqlite.v${FACTS_MIGRATIONS.length}.bak`]);
  });
});

describe("a facts file that a newer Nightshift wrote", () => {
  it("is refused, and left as it is", async () => {
    const file = await fileWithFact();
    await bring(file, STEP);
    const before = readFileSync(file);
    const backend = openKeyvFacts({ file, limits: LIMITS });
    onTestFinished(() => backend.close());
    await expect(backend.open(ALICE).list()).rejects.toMatchObject({
      code: "DATA_UNAVAILABLE",
      message: expect.stringContaining("newer Nightshift"),
      data: { found: FACTS_MIGRATIONS.length + 1, known: FACTS_MIGRATIONS.length },
    });
    expect(readFileSync(file).equals(before)).toBe(true);
  });
});

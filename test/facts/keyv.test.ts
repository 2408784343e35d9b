import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createCacheEntry, syncEntry } from "../../src/facts/cache.ts";
import { openKeyvFacts } from "../../src/facts/keyv.ts";
import { openFactsFile } from "../../src/facts/sqlite.ts";
import { tempDir } from "../harness.ts";
import { expectCode, failureOf } from "./expect-error.ts";
import { newFile, sqliteStorage, sqliteStorageAt } from "./fact-backends.ts";
import { ALICE, factStoreContract } from "./fact-store-contract.ts";
import { factMeaningContract } from "./meaning-contract.ts";
import { factSharingContract } from "./sharing-contract.ts";

factStoreContract("SQLite through Keyv", async (options) =>
  openKeyvFacts({ file: await newFile(), ...options }),
);
factSharingContract("SQLite", sqliteStorage);
factMeaningContract("SQLite", sqliteStorage);

describe("the file", () => {
  it("keeps a log, which is flushed outside of the event loop", async () => {
    const opened = await openFactsFile(await newFile(), 5_000);
    const pragmas: unknown[] = [];
    await opened.transact("", async ({ query }) => {
      for (const name of ["journal_mode", "synchronous"])
        pragmas.push(...Object.values((await query<object>(`PRAGMA ${name}`))[0] ?? {}));
    });
    await opened.close();
    // 1 is NORMAL: flush.test.ts shows that a save is told only once the log is flushed.
    expect(pragmas).toEqual(["wal", 1]);
  });

  it("no longer contains the words of a forgotten fact", async () => {
    const file = await newFile();
    const backend = sqliteStorageAt(file).open();
    const { factId } = await backend.open(ALICE).save({ text: "xylophone" });
    await backend.open(ALICE).forget(factId);
    await backend.close();
    expect((await readFile(file)).includes("xylophone")).toBe(false);
  });
});

describe("a large memory", () => {
  it("is read in short steps, between which other users get the thread", async () => {
    const file = await newFile();
    const alice = sqliteStorageAt(file).open().open(ALICE);
    await Promise.all(Array.from({ length: 60 }, (_, i) => alice.save({ text: `${i} word`.repeat(400) })));
    const database = await openFactsFile(file, 5_000);
    let turn = 0;
    const charsInTurn = new Map<number, number>();
    const countImmediate = () => {
      turn += 1;
      immediate = setImmediate(countImmediate);
    };
    let immediate = setImmediate(countImmediate);
    const parse = (value: string) => {
      charsInTurn.set(turn, (charsInTurn.get(turn) ?? 0) + value.length);
      return database.parse(value);
    };
    const entry = createCacheEntry();
    await syncEntry(ALICE, entry, { query: database.read, parse, now: 0 });
    clearImmediate(immediate);
    await database.close();
    expect(entry.userFacts.facts.size).toBe(60);
    expect(Math.max(...charsInTurn.values())).toBeLessThan(20_000);
  });
});

describe("a file in trouble", () => {
  it("is waited for while another program locks it", async () => {
    const storage = await sqliteStorage();
    const alice = storage.open().open(ALICE);
    await alice.save({ text: "first" });
    const raw = storage.openRaw();
    await raw.query("BEGIN IMMEDIATE");
    const saving = alice.save({ text: "second" });
    expect(await alice.recall("first")).toHaveLength(1);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await raw.query("COMMIT");
    expect((await saving).kind).toBe("saved");
  });

  it("answers DATA_UNAVAILABLE with a sentence when the lock outlasts its timeout, and recovers", async () => {
    const storage = await sqliteStorage();
    const alice = storage.open({ lockTimeoutMs: 200 }).open(ALICE);
    await alice.save({ text: "first" });
    const raw = storage.openRaw();
    await raw.query("BEGIN IMMEDIATE");
    const failure = await failureOf(alice.save({ text: "second" }));
    expect([failure.code, failure.message]).toEqual([
      "DATA_UNAVAILABLE",
      "The memory file is locked by another program; try again in a moment.",
    ]);
    await raw.query("COMMIT");
    expect((await alice.save({ text: "second" })).kind).toBe("saved");
  });

  it("is opened later when its folder was missing at first", async () => {
    const folder = join(await tempDir(), "later");
    const alice = sqliteStorageAt(join(folder, "facts.sqlite")).open().open(ALICE);
    const failure = await failureOf(alice.recall("violin"));
    expect(failure.code).toBe("DATA_UNAVAILABLE");
    expect(failure.message).not.toContain(folder);
    await mkdir(folder);
    expect((await alice.save({ text: "now it works" })).kind).toBe("saved");
  });

  it("is DATA_UNAVAILABLE, not empty, when it is no database", async () => {
    const file = await newFile();
    await writeFile(file, "this is a letter to Alice, not a database. ".repeat(100));
    await expectCode(sqliteStorageAt(file).open().open(ALICE).recall("letter"), "DATA_UNAVAILABLE");
  });

  it("undoes the whole save when the write fails, in memory too", async () => {
    const storage = await sqliteStorage();
    const alice = storage.open().open(ALICE);
    await alice.save({ text: "first" });
    const raw = storage.openRaw();
    await raw.query("CREATE TRIGGER fail BEFORE INSERT ON keyv BEGIN SELECT RAISE(ABORT, 'no'); END");
    await expectCode(alice.save({ text: "second" }), "DATA_UNAVAILABLE");
    expect((await alice.list()).facts.map(({ text }) => text)).toEqual(["first"]);
    await raw.query("DROP TRIGGER fail");
    expect((await alice.save({ text: "second" })).kind).toBe("saved");
  });
});

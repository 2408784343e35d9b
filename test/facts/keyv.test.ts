import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import KeyvSqlite from "@keyv/sqlite";
import Keyv from "keyv";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { type KeyvFactsOptions, openKeyvFacts } from "../../src/facts/keyv.ts";
import type { FactBackend } from "../../src/facts/store.ts";
import { ALICE, BOB, factStoreContract } from "./contract.ts";
import { expectCode, failureOf } from "./failures.ts";
import { LIMITS } from "./limits.ts";

const DAY_MS = 86_400_000;
const SAVER = fileURLToPath(new URL("saver.ts", import.meta.url));
const folder = await mkdtemp(join(tmpdir(), "nightshift-facts-"));
afterAll(() => rm(folder, { recursive: true }));

const newFile = () => join(folder, `${randomBytes(6).toString("hex")}.sqlite`);
const opened: { close(): Promise<void> }[] = [];
function open(options: Partial<KeyvFactsOptions> & { file: string }): FactBackend {
  const backend = openKeyvFacts({ limits: LIMITS, ...options });
  opened.push(backend);
  return backend;
}
/** The file through the same SQLite library, as another program would see it. */
function openRaw(file: string): KeyvSqlite {
  const raw = new KeyvSqlite({ uri: `sqlite://${file}`, busyTimeout: 2_000 });
  opened.push(raw);
  return raw;
}
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.close();
});

/** Resolves to the lines that the process printed. */
async function runSaver(args: (string | number)[], onLine?: (lines: string[], kill: () => void) => void) {
  const child = spawn(process.execPath, [SAVER, ...args.map(String)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  for await (const chunk of child.stdout) {
    text += chunk;
    onLine?.(text.split("\n").slice(0, -1), () => child.kill("SIGKILL"));
  }
  return text.split("\n").slice(0, -1);
}

factStoreContract("SQLite through Keyv", (options) => openKeyvFacts({ file: newFile(), ...options }));

describe("two processes on one file", () => {
  it("lose nothing when both save at the same time", async () => {
    const file = newFile();
    const ours = open({ file, patienceMs: 15_000 }).open(ALICE);
    const [theirs, mine] = await Promise.all([
      runSaver([file, ALICE, "other", 150]),
      Promise.all(Array.from({ length: 150 }, (_, i) => ours.save({ text: `main saves number ${i}` }))),
    ]);
    const ids = new Set([...theirs, ...mine.map(({ factId }) => factId)]);
    expect(ids.size).toBe(300);
    const { facts } = await ours.list({ limit: 1_000 });
    expect(new Set(facts.map(({ factId }) => factId))).toEqual(ids);
  });

  it("hold a user's limit exactly between them", async () => {
    const file = newFile();
    const answers = await Promise.all([
      runSaver([file, ALICE, "one", 60, 50]),
      runSaver([file, ALICE, "two", 60, 50]),
    ]);
    const counts = Map.groupBy(answers.flat(), (answer) => (answer.startsWith("fact_") ? "saved" : answer));
    expect(counts.get("saved")).toHaveLength(50);
    expect(counts.get("FACT_LIMIT_REACHED")).toHaveLength(70);
    expect((await open({ file }).open(ALICE).list({ limit: 100 })).facts).toHaveLength(50);
  });

  it("recognise each other's duplicates", async () => {
    const file = newFile();
    const answers = await Promise.all([
      runSaver([file, ALICE, "same", 40]),
      runSaver([file, ALICE, "same", 40]),
    ]);
    expect(new Set(answers.flat()).size).toBe(40);
    expect((await open({ file }).open(ALICE).list({ limit: 100 })).facts).toHaveLength(40);
  });

  it("keep every acknowledged fact and a sound file when one is killed while it saves", async () => {
    const file = newFile();
    const acknowledged = await runSaver(
      [file, ALICE, "killed", 5_000, 10_000, "one by one"],
      (lines, kill) => {
        if (lines.length >= 40) kill();
      },
    );
    expect(acknowledged.length).toBeLessThan(5_000);
    const raw = openRaw(file);
    expect(await raw.query("PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }]);
    const alice = open({ file }).open(ALICE);
    const { facts } = await alice.list({ limit: 1_000 });
    const ids = facts.map(({ factId }) => factId);
    expect(ids).toEqual(expect.arrayContaining(acknowledged));
    // One more may have been committed before its acknowledgement was read.
    expect(ids.length - acknowledged.length).toBeLessThanOrEqual(2);
    expect((await alice.save({ text: "after the crash" })).kind).toBe("saved");
  });

  it("see each other's new and forgotten facts at the next call", async () => {
    const file = newFile();
    const here = open({ file }).open(ALICE);
    const there = open({ file }).open(ALICE);
    const kept = await here.save({ text: "Alice plays the violin." });
    const gone = await here.save({ text: "Alice plays the piano." });
    expect(await there.recall("plays")).toHaveLength(2);
    await there.forget(gone.factId);
    const added = await there.save({ text: "Alice plays the drums." });
    expect((await here.recall("plays")).map(({ factId }) => factId).sort()).toEqual(
      [kept.factId, added.factId].sort(),
    );
    await expectCode(here.get(gone.factId), "FACT_NOT_FOUND");
    expect(await here.save({ text: "alice plays the drums." })).toEqual({
      kind: "duplicate",
      factId: added.factId,
    });
  });

  it("rank alike, whatever each of them has in its cache", async () => {
    const file = newFile();
    const writer = open({ file }).open(ALICE);
    const follower = open({ file }).open(ALICE);
    for (let i = 0; i < 200; i++) {
      const { factId } = await writer.save({ text: `note ${i} about ${["tea", "bread", "rain"][i % 3]}` });
      if (i % 2 === 0) await writer.forget(factId);
      if (i % 10 === 0) await follower.recall("tea");
    }
    const fresh = JSON.stringify(await open({ file }).open(ALICE).recall("note about tea 31"));
    expect(JSON.stringify(await writer.recall("note about tea 31"))).toBe(fresh);
    expect(JSON.stringify(await follower.recall("note about tea 31"))).toBe(fresh);
  });
});

describe("the file", () => {
  it("holds a fact under the user's key and the fact's id, and no name or namespace", async () => {
    const file = newFile();
    const { factId } = await open({ file }).open(ALICE).save({ text: "Alice plays the violin." });
    expect(await openRaw(file).query("SELECT key FROM keyv")).toEqual([{ key: `${ALICE}:${factId}` }]);
    expect(factId).toMatch(/^fact_[0-9a-f]{24}$/);
  });

  it("keeps facts and cursors over a restart", async () => {
    const file = newFile();
    const before = openKeyvFacts({ file, limits: LIMITS });
    for (let i = 0; i < 4; i++) await before.open(ALICE).save({ text: `fact ${i}` });
    const { nextCursor = "" } = await before.open(ALICE).list({ limit: 2 });
    await before.close();
    const { facts } = await open({ file }).open(ALICE).list({ cursor: nextCursor });
    expect(facts.map(({ text }) => text)).toEqual(["fact 1", "fact 0"]);
  });

  it("separates users whose keys differ in the last digit", async () => {
    const backend = open({ file: newFile() });
    const keys = [..."0123456789abcdef"].map((digit) => "0".repeat(63) + digit);
    for (const key of keys) await backend.open(key).save({ text: `of ${key}` });
    for (const key of keys) {
      expect((await backend.open(key).list()).facts.map(({ text }) => text)).toEqual([`of ${key}`]);
    }
  });

  it("is readable by plain Keyv, which honours a fact's expiry too", async () => {
    const file = newFile();
    const alice = open({ file }).open(ALICE);
    const short = await alice.save({ text: "soon gone", expiresInDays: 0.02 / 86_400 });
    const long = await alice.save({ text: "stays", expiresInDays: 1 });
    const keyv = new Keyv({ store: openRaw(file), useKeyPrefix: false });
    expect(await keyv.get(`${ALICE}:${long.factId}`)).toMatchObject({ text: "stays" });
    await new Promise((resolve) => setTimeout(resolve, 40));
    expect(await keyv.get(`${ALICE}:${short.factId}`)).toBeUndefined();
  });

  it("follows what plain Keyv writes and deletes behind its back", async () => {
    const file = newFile();
    const alice = open({ file }).open(ALICE);
    const { factId } = await alice.save({ text: "Alice plays the violin." });
    expect(await alice.recall("violin")).toHaveLength(1);
    const keyv = new Keyv({ store: openRaw(file), useKeyPrefix: false });
    await keyv.set(`${ALICE}:fact_imported`, {
      text: "Alice tunes a violin.",
      tags: [],
      createdAt: 5,
      position: 0,
    });
    expect((await alice.recall("violin")).map((fact) => fact.factId)).toContain("fact_imported");
    await keyv.delete(`${ALICE}:${factId}`);
    expect((await alice.recall("violin")).map((fact) => fact.factId)).toEqual(["fact_imported"]);
  });

  it("loses the rows of expired facts with the next call", async () => {
    const file = newFile();
    let nowMs = Date.now();
    const backend = openKeyvFacts({ file, limits: LIMITS, clock: () => nowMs });
    const alice = backend.open(ALICE);
    for (let i = 0; i < 300; i++) await alice.save({ text: `short ${i}`, expiresInDays: 1 });
    await alice.save({ text: "long" });
    nowMs += DAY_MS;
    expect((await alice.list()).facts.map(({ text }) => text)).toEqual(["long"]);
    await expect.poll(() => openRaw(file).query("SELECT key FROM keyv")).toHaveLength(1);
    await backend.close();
  });

  it("no longer contains the words of a forgotten fact", async () => {
    const file = newFile();
    const backend = openKeyvFacts({ file, limits: LIMITS });
    const { factId } = await backend.open(ALICE).save({ text: "xylophone" });
    await backend.open(ALICE).forget(factId);
    await backend.close();
    expect((await readFile(file)).includes("xylophone")).toBe(false);
  });
});

describe("a file in trouble", () => {
  it("is waited for while another program locks it", async () => {
    const file = newFile();
    const alice = open({ file }).open(ALICE);
    await alice.save({ text: "first" });
    const raw = openRaw(file);
    await raw.query("BEGIN IMMEDIATE");
    const saving = alice.save({ text: "second" });
    expect(await alice.recall("first")).toHaveLength(1);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await raw.query("COMMIT");
    expect((await saving).kind).toBe("saved");
  });

  it("answers DATA_UNAVAILABLE with a sentence when the lock outlasts the patience, and recovers", async () => {
    const file = newFile();
    const alice = open({ file, patienceMs: 200 }).open(ALICE);
    await alice.save({ text: "first" });
    const raw = openRaw(file);
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
    const file = join(folder, "later", "facts.sqlite");
    const alice = open({ file }).open(ALICE);
    const failure = await failureOf(alice.recall("violin"));
    expect(failure.code).toBe("DATA_UNAVAILABLE");
    expect(failure.message).not.toContain(folder);
    await mkdir(join(folder, "later"));
    expect((await alice.save({ text: "now it works" })).kind).toBe("saved");
  });

  it("is DATA_UNAVAILABLE, not empty, when it is no database", async () => {
    const file = newFile();
    await writeFile(file, "this is a letter to Alice, not a database. ".repeat(100));
    await expectCode(open({ file }).open(ALICE).recall("letter"), "DATA_UNAVAILABLE");
  });

  it("undoes the whole save when the write fails, in memory too", async () => {
    const file = newFile();
    const alice = open({ file }).open(ALICE);
    await alice.save({ text: "first" });
    const raw = openRaw(file);
    await raw.query("CREATE TRIGGER fail BEFORE INSERT ON keyv BEGIN SELECT RAISE(ABORT, 'no'); END");
    await expectCode(alice.save({ text: "second" }), "DATA_UNAVAILABLE");
    expect((await alice.list()).facts.map(({ text }) => text)).toEqual(["first"]);
    await raw.query("DROP TRIGGER fail");
    expect((await alice.save({ text: "second" })).kind).toBe("saved");
  });
});

describe("the cache", () => {
  it("answers the same when it has room for hardly anything", async () => {
    const backend = open({ file: newFile(), maxCacheBytes: 1 });
    const users = [ALICE, BOB, "c".repeat(64)];
    for (const user of users) await backend.open(user).save({ text: `violin of ${user[0]}` });
    const recalls = users.flatMap((user) =>
      Array.from({ length: 5 }, () => backend.open(user).recall("violin")),
    );
    const found = await Promise.all(recalls);
    expect(found.map((facts) => facts.map(({ text }) => text).join())).toEqual(
      users.flatMap((user) => Array(5).fill(`violin of ${user[0]}`)),
    );
  });
});

import { mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { openDatabase } from "../../src/database/open-sqlite.ts";
import { start } from "../child-process.ts";
import { tempDir } from "../harness.ts";
import { START } from "../world.ts";
import { migrateTo } from "./migrating.ts";

const WORKER = join(import.meta.dirname, "worker.ts");
const FIRST = ["create table notes (text text not null)", "insert into notes values ('of version 1')"];
const SECOND = ["alter table notes add column more text", "update notes set more = 'of version 2'"];
const BROKEN = ["update notes set text = 'half-way'", "insert into nowhere values (1)"];

const fileIn = async () => join(await tempDir(), "jobs.sqlite");
const migrated = (file: string, ...migrations: string[][]) => migrateTo(file, migrations, START);
const backupsOf = (file: string) =>
  readdirSync(join(file, "..")).filter((name) => /\.(?:bak|tmp)$/.test(name));

function read(file: string, sql: string): unknown[] {
  const raw = new DatabaseSync(file, { readOnly: true });
  try {
    return raw
      .prepare(sql)
      .all()
      .map((row) => ({ ...row }));
  } finally {
    raw.close();
  }
}

describe("a jobs database of an older version", () => {
  it("is copied as it was, for this account only, before the first step", async () => {
    const file = await fileIn();
    await migrated(file, FIRST);
    expect(backupsOf(file)).toEqual([]);
    await migrated(file, FIRST, SECOND);
    expect(backupsOf(file)).toEqual(["jobs.sqlite.v1.bak"]);
    const copy = `${file}.v1.bak`;
    expect(statSync(copy).mode & 0o777).toBe(0o600);
    expect(read(copy, "select * from notes")).toEqual([{ text: "of version 1" }]);
    expect(read(copy, "select version from schema_version")).toEqual([{ version: 1 }]);
    expect(read(copy, "pragma integrity_check")).toEqual([{ integrity_check: "ok" }]);
    expect(read(file, "select * from notes")).toEqual([{ text: "of version 1", more: "of version 2" }]);
    await migrated(file, FIRST, SECOND);
    expect(backupsOf(file)).toEqual(["jobs.sqlite.v1.bak"]);
  });

  it("is left as it was by a step that fails, and is brought on later, with one copy a version", async () => {
    const file = await fileIn();
    await migrated(file, FIRST);
    await expect(migrated(file, FIRST, SECOND, BROKEN)).rejects.toThrow("nowhere");
    expect(read(file, "select * from notes")).toEqual([{ text: "of version 1" }]);
    expect(read(file, "select version from schema_version")).toEqual([{ version: 1 }]);
    await migrated(file, FIRST, SECOND);
    await migrated(file, FIRST, SECOND, ["insert into notes values ('of version 3', null)"]);
    expect(backupsOf(file)).toEqual(["jobs.sqlite.v1.bak", "jobs.sqlite.v2.bak"]);
    expect(read(`${file}.v2.bak`, "select * from notes")).toHaveLength(1);
    expect(read(file, "select * from notes")).toHaveLength(2);
  });

  it("is not touched when no copy of it can be made", async () => {
    const file = await fileIn();
    await migrated(file, FIRST);
    mkdirSync(join(`${file}.v1.bak`, "in the way"), { recursive: true });
    await expect(migrated(file, FIRST, SECOND)).rejects.toThrow();
    expect(read(file, "select * from notes")).toEqual([{ text: "of version 1" }]);
    expect(backupsOf(file)).toEqual(["jobs.sqlite.v1.bak"]);
  });

  it("is brought on once, and copied before that, when three processes start at the same moment", async () => {
    const file = await fileIn();
    await migrated(file, FIRST);
    const migrations = JSON.stringify([FIRST, SECOND, ["insert into notes values ('of version 3', null)"]]);
    const processes = Array.from({ length: 3 }, () => start([WORKER, "migrate", file, migrations]));
    for (const { stdout } of processes) await expect.poll(stdout, { timeout: 15_000 }).toContain("ready");
    for (const child of processes) child.write("go\n");
    for (const { exited, stderr } of processes) {
      expect((await exited).code, stderr()).toBe(0);
    }
    expect(read(file, "select text from notes")).toEqual([
      { text: "of version 1" },
      { text: "of version 3" },
    ]);
    expect(read(file, "select version from schema_version")).toHaveLength(3);
    expect(backupsOf(file)).toEqual(["jobs.sqlite.v1.bak"]);
    expect(read(`${file}.v1.bak`, "select * from notes")).toEqual([{ text: "of version 1" }]);
  });

  it("is no new file: that has nothing worth a copy", async () => {
    const file = await fileIn();
    await (await openDatabase({ file, now: () => START })).close();
    expect(backupsOf(file)).toEqual([]);
  });
});

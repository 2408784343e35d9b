import { statSync } from "node:fs";
import { cp, open, rm, truncate } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { FactStore } from "../../src/facts/store.ts";
import { tempDir } from "../harness.ts";
import { failureOf } from "./expect-error.ts";
import { newFile, sqliteStorageAt } from "./fact-backends.ts";
import { ALICE } from "./fact-store-contract.ts";

/** The call by which the program flushes a file, replaced for the test. */
async function watchFlushes(file: string) {
  await (await open(file, "a")).close();
  const handle = await open(file, "r");
  const datasync = vi.spyOn(Object.getPrototypeOf(handle), "datasync");
  await handle.close();
  onTestFinished(() => datasync.mockRestore());
  return datasync;
}

const textsOf = async (facts: FactStore) => (await facts.list({ limit: 100 })).facts.map(({ text }) => text);

describe("a save", () => {
  it("is told only after a flush that began when it was committed", async () => {
    const file = await newFile();
    const datasync = await watchFlushes(file);
    const alice = sqliteStorageAt(file).open().open(ALICE);
    await alice.save({ text: "first" });
    const { promise: confirmed, resolve: confirm } = Promise.withResolvers<void>();
    datasync.mockClear();
    datasync.mockReturnValueOnce(confirmed);
    let isTold = false;
    const saving = alice.save({ text: "second" }).then(() => {
      isTold = true;
    });
    await vi.waitFor(() => expect(datasync).toHaveBeenCalledTimes(1));
    // Another process would see it by now.
    expect(await textsOf(sqliteStorageAt(file).open().open(ALICE))).toContain("second");
    expect(isTold).toBe(false);
    confirm();
    await saving;
  });

  it("fails when the disk does not confirm it, and what is there is shown as it is", async () => {
    const file = await newFile();
    const datasync = await watchFlushes(file);
    const alice = sqliteStorageAt(file).open().open(ALICE);
    await alice.save({ text: "first" });
    datasync.mockRejectedValueOnce(new Error("EIO"));
    const failure = await failureOf(alice.save({ text: "second" }));
    expect([failure.code, failure.message]).toEqual([
      "DATA_UNAVAILABLE",
      expect.stringContaining("did not confirm"),
    ]);
    expect(await textsOf(alice)).toEqual(["second", "first"]);
    expect((await alice.save({ text: "second" })).kind).toBe("duplicate");
  });

  it("survives a power cut that leaves no byte but those that were flushed", async () => {
    const file = await newFile();
    const log = `${file}-wal`;
    const datasync = await watchFlushes(file);
    let flushed = 0;
    datasync.mockImplementation(async () => {
      // What is written later need not be part of this flush.
      flushed = statSync(log).size;
    });
    const backend = sqliteStorageAt(file).open();
    const alice = backend.open(ALICE);
    for (let i = 0; i < 8; i++) {
      // Some alone, some several at once, which share a transaction.
      const texts = Array.from({ length: 1 + (i % 3) }, (_, j) => `fact ${i}.${j}`);
      await Promise.all(texts.map((text) => alice.save({ text })));
      const copy = join(await tempDir(), "after-the-cut");
      await cp(dirname(file), copy, { recursive: true });
      const cut = join(copy, file.slice(dirname(file).length + 1));
      await truncate(`${cut}-wal`, flushed);
      // This file was memory that the processes shared: it does not survive.
      await rm(`${cut}-shm`, { force: true });
      const after = sqliteStorageAt(cut);
      expect(await textsOf(after.open().open(ALICE))).toEqual(expect.arrayContaining(texts));
      await after.check();
    }
  });
});

import { existsSync } from "node:fs";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { NightshiftError } from "../../src/errors.ts";
import { watchFolder } from "../../src/jobs-folder/watch.ts";
import { eventually, tempDir } from "../harness.ts";
import { openFolder } from "./folder-world.ts";

const md = (name: string, front = "every: 1h") => `---\nname: ${name}\n${front}\n---\nHello.`;
const BROKEN = "---\ncron: 99 * * * *\n---\nHello.";

describe("a watched folder", () => {
  it("follows its files: added, changed, broken, fixed, removed and back", async () => {
    const folder = await openFolder({ "a.md": md("first") });
    const born = await folder.jobOf("a.md");
    expect(born).toMatchObject({ name: "first", status: "active" });

    await folder.write("b.md", md("second"));
    await folder.until("b.md", (job) => job?.name === "second");
    await folder.write("a.md", md("first, changed"));
    await folder.until("a.md", (job) => job?.name === "first, changed");

    await folder.write("a.md", BROKEN);
    await folder.untilTold(/^a job file is left out: a\.md:2: .*can't be read/);
    expect(await folder.jobOf("a.md")).toMatchObject({ name: "first, changed", status: "active" });
    expect(await folder.jobOf("b.md")).toMatchObject({ status: "active" });

    await folder.write("a.md", md("fixed"));
    await folder.until("a.md", (job) => job?.name === "fixed");
    await folder.remove("a.md");
    await folder.until("a.md", (job) => job?.status === "cancelled");
    await folder.write("a.md", md("back"));
    await folder.until("a.md", (job) => job?.status === "active" && job.name === "back");
    expect((await folder.jobOf("a.md"))?.jobId).toBe(born?.jobId);
    expect(folder.errors).toHaveLength(1);
    // The log line comes just after the job is written.
    await eventually(async () => folder.changes() >= 6);
  });

  it("loads a changed code job afresh", async () => {
    const code = (name: string) =>
      `export default { name: "${name}", every: "1h", run: async () => "${name}" };`;
    const folder = await openFolder({ "a.mjs": code("one") });
    expect(await folder.jobOf("a.mjs")).toMatchObject({
      name: "one",
      action: { kind: "code", file: "a.mjs" },
    });
    await folder.write("a.mjs", code("two"));
    await folder.until("a.mjs", (job) => job?.name === "two");
  });

  it("takes a file that was put in place by renaming, as editors do", async () => {
    const folder = await openFolder({ "a.md": md("old") });
    await folder.write(".a.md.swp", md("new"));
    await rename(join(folder.dir, ".a.md.swp"), join(folder.dir, "a.md"));
    await folder.until("a.md", (job) => job?.name === "new");
  });

  it("tells of a problem once, and again when it comes back", async () => {
    const folder = await openFolder({ "a.md": BROKEN });
    expect(folder.errors).toHaveLength(1);
    await folder.write("b.md", md("b"));
    await folder.until("b.md", (job) => job !== undefined);
    expect(folder.errors).toHaveLength(1);
    await folder.write("a.md", md("fixed"));
    await folder.until("a.md", (job) => job?.name === "fixed");
    await folder.write("a.md", BROKEN);
    await eventually(async () => folder.errors.length === 2);
  });

  it("keeps the job that a bad file had, its pause too, over a restart", async () => {
    const folder = await openFolder({
      "a.md": md("kept"),
      "b.mjs": 'export default { every: "1h", run() {} };',
    });
    const [a, b] = [await folder.jobOf("a.md"), await folder.jobOf("b.mjs")];
    await folder.store.update(b?.jobId ?? "", () => ({ status: "paused", statusReason: "mine" }));
    await folder.write("a.md", BROKEN);
    await folder.write("b.mjs", "throw 1;");
    await folder.untilTold(/a\.md/);
    await folder.untilTold(/b\.mjs/);
    await folder.restart();
    expect(await folder.jobOf("a.md")).toEqual(a);
    expect(await folder.jobOf("b.mjs")).toMatchObject({ status: "paused", statusReason: "mine" });
    await folder.remove("a.md");
    await folder.until("a.md", (job) => job?.status === "cancelled");
    expect((await folder.jobOf("b.mjs"))?.status).toBe("paused");
  });

  it("does not bring back the job of a file that was removed and came back bad", async () => {
    const folder = await openFolder({ "a.md": md("a") });
    await folder.remove("a.md");
    await folder.until("a.md", (job) => job?.status === "cancelled");
    await folder.write("a.md", BROKEN);
    await folder.untilTold(/a\.md/);
    expect((await folder.jobOf("a.md"))?.status).toBe("cancelled");
  });

  it("closes also while a file is loading that never ends", async () => {
    const folder = await openFolder();
    const mark = join(await tempDir(), "loading");
    const code = `import { writeFileSync } from "node:fs"; writeFileSync(${JSON.stringify(mark)}, ""); for (;;);`;
    await folder.write("spin.mjs", code);
    await eventually(async () => existsSync(mark));
    await folder.close();
  });

  it("opens within seconds, also while a file is loading that never ends", async () => {
    const folder = await openFolder({ "a.md": md("a"), "spin.mjs": "for (;;);" });
    expect(await folder.jobOf("a.md")).toBeUndefined();
    await folder.remove("spin.mjs");
  });

  it("rejects when the folder is not there", async () => {
    const options = { dir: join(await tempDir(), "none"), store: {} as never, log: {} as never };
    await expect(watchFolder({ ...options, now: Date.now, onChange: () => {} })).rejects.toMatchObject({
      code: "CONFIG_INVALID",
    });
  });

  it("takes a change in later that the database refused when it came", async () => {
    const folder = await openFolder({ "a.md": md("A") });
    const { syncFolder } = folder.store;
    let failuresLeft = 1;
    const busy = new NightshiftError("DATA_UNAVAILABLE", "The jobs database is locked by another process.");
    folder.store.syncFolder = (...given) =>
      failuresLeft-- > 0 ? Promise.reject(busy) : syncFolder.apply(folder.store, given);
    await folder.write("b.md", md("B"));
    await folder.untilTold(/could not be read/);
    await eventually(async () => (await folder.jobOf("b.md")) !== undefined, 20_000);
  }, 40_000);
});

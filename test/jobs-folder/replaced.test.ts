import { mkdir, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { eventually, tempDir } from "../harness.ts";
import { openFolder } from "./folder-world.ts";

const md = (name: string) => `---\nname: ${name}\nevery: 1h\n---\nHello.`;
const LONG_MS = 20_000;

/** Ways to put another folder, with this file in it, in the place of `dir`. */
const REPLACEMENTS: [string, (dir: string, write: (at: string) => Promise<void>) => Promise<void>][] = [
  [
    "deleted and made anew",
    async (dir, write) => {
      await rm(dir, { recursive: true });
      await mkdir(dir);
      await write(dir);
    },
  ],
  [
    "moved away, and another moved in",
    async (dir, write) => {
      await mkdir(`${dir}.new`);
      await write(`${dir}.new`);
      await rename(dir, `${dir}.old`);
      await rename(`${dir}.new`, dir);
    },
  ],
  [
    "deleted for a while",
    async (dir, write) => {
      await rm(dir, { recursive: true });
      await new Promise((resolve) => setTimeout(resolve, 2_500));
      await mkdir(dir);
      await write(dir);
    },
  ],
  [
    "turned into a link",
    async (dir, write) => {
      const target = await tempDir();
      await write(target);
      await rename(dir, `${dir}.old`);
      await symlink(target, dir);
    },
  ],
];

describe("a jobs folder that is replaced", () => {
  it.each(REPLACEMENTS)(
    "is picked up again, and watched: %s",
    async (_, replace) => {
      const dir = join(await tempDir(), "jobs");
      await mkdir(dir);
      const folder = await openFolder({ "a.md": md("first") }, dir);
      await replace(dir, (at) => writeFile(join(at, "a.md"), md("second")));
      await folder.until("a.md", (job) => job?.name === "second" && job.status === "active", LONG_MS);
      await eventually(
        async () => folder.infos.some((line) => /replaced; the new one is watched/.test(line)),
        LONG_MS,
      );
      await writeFile(join(dir, "a.md"), md("third"));
      await folder.until("a.md", (job) => job?.name === "third", LONG_MS);
    },
    60_000,
  );

  it("is followed when it is a link that leads elsewhere", async () => {
    const [home, one, two] = [await tempDir(), await tempDir(), await tempDir()];
    const dir = join(home, "jobs");
    await symlink(one, dir);
    const folder = await openFolder({ "a.md": md("one") }, dir);
    await writeFile(join(two, "a.md"), md("two"));
    await unlink(dir);
    await symlink(two, dir);
    await folder.until("a.md", (job) => job?.name === "two", LONG_MS);
    await writeFile(join(two, "a.md"), md("two, changed"));
    await folder.until("a.md", (job) => job?.name === "two, changed", LONG_MS);
  }, 60_000);

  it("keeps its jobs while it is gone, and says so once", async () => {
    const dir = join(await tempDir(), "jobs");
    await mkdir(dir);
    const folder = await openFolder({ "a.md": md("kept") }, dir);
    await rename(dir, `${dir}.away`);
    await folder.untilTold(/could not be read; trying again/);
    expect((await folder.jobOf("a.md"))?.status).toBe("active");
    await new Promise((resolve) => setTimeout(resolve, 6_500));
    expect(folder.errors).toHaveLength(1);
    await rename(`${dir}.away`, dir);
    await eventually(async () => folder.infos.some((line) => /can be read again/.test(line)), LONG_MS);
    expect((await folder.jobOf("a.md"))?.status).toBe("active");
  }, 60_000);
});

describe("a link in the jobs folder", () => {
  it("is followed when its target is edited, and when it leads elsewhere", async () => {
    const elsewhere = await tempDir();
    const [target, other] = [join(elsewhere, "target.md"), join(elsewhere, "other.md")];
    await writeFile(target, md("one"));
    const folder = await openFolder();
    await symlink(target, join(folder.dir, "a.md"));
    await folder.until("a.md", (job) => job?.name === "one", LONG_MS);
    await writeFile(target, md("two"));
    await folder.until("a.md", (job) => job?.name === "two", LONG_MS);
    await writeFile(other, md("three"));
    await rename(other, target);
    await folder.until("a.md", (job) => job?.name === "three", LONG_MS);
  }, 60_000);
});

describe("a paused job whose file goes away", () => {
  it("is paused when the file is back with the same text", async () => {
    const folder = await openFolder({ "a.md": md("mine") });
    const { jobId = "" } = (await folder.jobOf("a.md")) ?? {};
    await folder.store.update(jobId, () => ({ status: "paused", statusReason: "mine" }));
    await folder.remove("a.md");
    await folder.until("a.md", (job) => job?.status === "cancelled");
    await folder.write("a.md", md("mine"));
    await folder.until("a.md", (job) => job?.status !== "cancelled");
    expect(await folder.jobOf("a.md")).toMatchObject({ jobId, status: "paused", statusReason: "mine" });
  });
});

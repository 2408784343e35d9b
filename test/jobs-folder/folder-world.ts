import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import { onTestFinished } from "vitest";
import { openDatabase } from "../../src/database/open-sqlite.ts";
import type { Job } from "../../src/jobs/job.ts";
import { watchFolder } from "../../src/jobs-folder/watch.ts";
import { openJobStore } from "../../src/store/job-store.ts";
import { eventually, tempDir } from "../harness.ts";

/** A watched folder, `given` or a new one, on a real database; `restart` is what a new process does. */
export async function openFolder(files: Record<string, string> = {}, given?: string) {
  const [dir, data] = [given ?? (await tempDir()), await tempDir()];
  const write = (file: string, text: string) => writeFile(join(dir, file), text);
  for (const [file, text] of Object.entries(files)) await write(file, text);
  const db = await openDatabase({ file: join(data, "jobs.sqlite"), now: Date.now });
  const store = openJobStore(db, { userKey: "a".repeat(64), userId: "alice", now: Date.now });
  const errors: string[] = [];
  const infos: string[] = [];
  const log = pino(
    { base: null },
    {
      write: (line) => {
        const { level, msg } = JSON.parse(line);
        (level >= 50 ? errors : infos).push(msg);
      },
    },
  );
  let changes = 0;
  const open = () => watchFolder({ dir, store, log, now: Date.now, onChange: () => void changes++ });
  let watched = await open();
  onTestFinished(async () => {
    await watched.close();
    await db.close();
  });
  const jobOf = async (file: string): Promise<Job | undefined> => {
    const { jobs } = await store.list();
    return jobs.find(({ origin }) => origin.kind === "folder" && origin.file === file);
  };
  return {
    dir,
    store,
    errors,
    infos,
    write,
    jobOf,
    remove: (file: string) => rm(join(dir, file)),
    changes: () => changes,
    until: (file: string, is: (job: Job | undefined) => boolean, timeoutMs?: number) =>
      eventually(async () => is(await jobOf(file)), timeoutMs),
    untilTold: (pattern: RegExp) => eventually(async () => errors.some((error) => pattern.test(error))),
    close: () => watched.close(),
    async restart() {
      await watched.close();
      watched = await open();
    },
  };
}

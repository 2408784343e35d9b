import { open, rename, rm } from "node:fs/promises";

/**
 * Lets `copy` write a data file to an empty file that only this account may read, and renames that to `target`, over
 * an older backup, once it is complete and on the disk. Rejects with the error of `copy`.
 */
export async function writeBackup(target: string, copy: (path: string) => Promise<unknown>): Promise<void> {
  const unfinished = `${target}.${process.pid}.tmp`;
  await rm(unfinished, { force: true });
  try {
    await (await open(unfinished, "wx", 0o600)).close();
    await copy(unfinished);
    const written = await open(unfinished, "r+");
    await written.sync().finally(() => written.close());
    await rename(unfinished, target);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
}

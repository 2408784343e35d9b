import { chmod, lstat, mkdir, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { NightshiftError } from "../../errors.ts";

/** A client's file as it is on the disk. */
export interface ConfigFile {
  /** Where it really is, if its path is a link. */
  readonly path: string;
  /** Undefined when there is no such file. */
  readonly text: string | undefined;
  /** Permission bits; of a file that is not there, those that it gets. */
  readonly mode: number;
}

const OTHERS = 0o077;
const hasModes = process.platform !== "win32";

/** True when other accounts of this machine may read or change the file. Windows has no such bits. */
export const isOpenToOthers = ({ text, mode }: ConfigFile): boolean =>
  hasModes && text !== undefined && (mode & OTHERS) !== 0;

/** Reads a file. Rejects with CONFIG_INVALID for one that is not UTF-8, or not this account's. */
export async function readConfigFile(given: string): Promise<ConfigFile> {
  const path = await realpath(given).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
    if (await lstat(given).catch(() => undefined)) throw invalid("it is a link to a file that is not there");
    return given;
  });
  const found = await stat(path).catch(() => undefined);
  if (!found) return { path, text: undefined, mode: 0o600 };
  if (!found.isFile()) throw invalid("it is not a file");
  if (hasModes && found.uid !== process.getuid?.())
    throw invalid("it belongs to another account; run this as that account");
  return { path, text: decode(await readFile(path)), mode: found.mode & 0o777 };
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw invalid("it is not UTF-8 text");
  }
}

const invalid = (message: string): NightshiftError => new NightshiftError("CONFIG_INVALID", message);

/**
 * Replaces a file's text in one step; undefined removes the file. With `isPrivate` only this account can read it
 * afterwards. Rejects with CONFIG_INVALID when that is not possible, or when the file was changed since it was read.
 */
export async function writeConfigFile(
  file: ConfigFile,
  text: string | undefined,
  { isPrivate }: { isPrivate: boolean },
): Promise<void> {
  if ((await readConfigFile(file.path)).text !== file.text)
    throw invalid("another program changed it meanwhile; run this again");
  if (text === undefined) return rm(file.path, { force: true });
  await mkdir(dirname(file.path), { recursive: true, mode: 0o700 });
  const temporary = `${file.path}.${process.pid}.tmp`;
  try {
    // Nobody else can read it at any time: the mode is that of a new file, and widened only at the end.
    await writeFile(temporary, text, { mode: 0o600, flag: "wx" });
    if (!isPrivate) await chmod(temporary, file.mode);
    else if (hasModes && ((await stat(temporary)).mode & OTHERS) !== 0)
      throw invalid("it would hold a key, and on this file system other accounts could read it");
    await rename(temporary, file.path);
  } finally {
    await rm(temporary, { force: true });
  }
}

const backupOf = ({ path }: ConfigFile): string => `${path}.before-nightshift`;

/** Copies the file, for this account alone. Resolves to the copy's path; undefined when there is nothing to copy. */
export async function backUp(file: ConfigFile): Promise<string | undefined> {
  if (file.text === undefined) return undefined;
  const path = backupOf(file);
  await rm(path, { force: true });
  await writeFile(path, file.text, { mode: 0o600, flag: "wx" });
  return path;
}

export const readBackup = (file: ConfigFile): Promise<string | undefined> =>
  readFile(backupOf(file), "utf8").catch(() => undefined);

export const removeBackup = (file: ConfigFile): Promise<void> => rm(backupOf(file), { force: true });

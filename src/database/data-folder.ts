import { mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { NightshiftError } from "../errors.ts";

/**
 * Makes the folder and those above it that are missing, for their owner alone. Throws DATA_UNAVAILABLE with the reason.
 * One by one, because Node's recursive mkdir never ends below a folder that takes none, such as /proc.
 */
export function makeDataFolder(dir: string): void {
  const missing: string[] = [];
  let at = resolve(dir);
  for (let kind = kindOf(at); kind !== "folder"; kind = kindOf(at)) {
    if (kind === "other") throw cannotMake("a part of its path is a file and not a folder");
    missing.unshift(at);
    at = dirname(at);
  }
  for (const folder of missing) makeFolder(folder);
}

function kindOf(path: string): "folder" | "other" | "none" {
  try {
    return statSync(path).isDirectory() ? "folder" : "other";
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return "none";
    throw cannotMake(`its path cannot be followed (${code})`, error);
  }
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Another process was quicker.
    if (code === "EEXIST" && kindOf(folder) === "folder") return;
    throw cannotMake(`the folder that it is in takes no new ones (${code})`, error);
  }
}

const cannotMake = (why: string, cause?: unknown): NightshiftError =>
  new NightshiftError(
    "DATA_UNAVAILABLE",
    `The data folder cannot be made: ${why}. Name another folder with --data (NIGHTSHIFT_DATA_DIR).`,
    {},
    { cause },
  );

import { NightshiftError } from "../../errors.ts";

/** Reads and edits one kind of file. */
export interface Format {
  /** The file's values; undefined for an empty file. Throws CONFIG_INVALID with the line of what cannot be read. */
  parse(text: string): unknown;
  /**
   * Ways to write the text with `entry` as `servers.name`, the best first. Without an entry: to remove it, which is
   * there, and `servers` when nothing else is in it. `servers` is a map, or null, or absent. Each way may turn out to
   * give other values; the caller checks. Throws CONFIG_INVALID.
   */
  edits(text: string, path: EntryPath, entry: object | undefined): Iterable<string>;
}
export type FormatName = "jsonc" | "toml" | "yaml";

/** The key that holds the servers, and the name of one. */
export type EntryPath = readonly [servers: string, name: string];

/** An error that names the line of a file, counted from 1. */
export const badLine = (line: number, message: string): NightshiftError =>
  new NightshiftError("CONFIG_INVALID", `line ${line}: ${message}`, { line });

export const eolOf = (text: string): string => (text.includes("\r\n") ? "\r\n" : "\n");

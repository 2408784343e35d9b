import { createHash, randomBytes } from "node:crypto";
import { NightshiftError } from "../errors.ts";

const RANDOM_BYTES = 10;
let lastMs = -1;
let count = 0;

/**
 * An unguessable id that sorts by the time it was made: `<prefix>_<ms, 12 hex><count within the ms, 3 hex><80 random
 * bits>`. Sorting serves as "newest first" and keeps neighbours in time neighbours in the index. Lower-case, because
 * ids travel in URIs.
 */
export function newId(prefix: "job" | "run" | "msg" | "item", nowMs: number): string {
  count = nowMs === lastMs ? (count + 1) & 0xfff : 0;
  lastMs = nowMs;
  return `${idsBefore(prefix, nowMs)}${count.toString(16).padStart(3, "0")}${randomBytes(RANDOM_BYTES).toString("hex")}`;
}

/** A text that sorts after every id made before `ms`, and before every later one. */
export const idsBefore = (prefix: string, ms: number): string =>
  `${prefix}_${Math.max(0, ms).toString(16).padStart(12, "0")}`;

/**
 * The owner, list and filter that a cursor belongs to. A cursor is the last id of a page and a digest that ties it to
 * these. The digest only reports mistakes early: every query names the owner, which protects other people's rows.
 */
export type CursorScope = readonly (string | null)[];

const digestOf = (scope: CursorScope, after: string): string =>
  createHash("sha256")
    .update(JSON.stringify([...scope, after]))
    .digest("hex")
    .slice(0, 16);

export const encodeCursor = (scope: CursorScope, after: string): string =>
  Buffer.from(`${digestOf(scope, after)}${after}`).toString("base64url");

/** The id after which the page starts. Throws CURSOR_INVALID for anything that `encodeCursor` did not return for this scope. */
export function decodeCursor(scope: CursorScope, cursor: string): string {
  const text = Buffer.from(cursor, "base64url").toString();
  const after = text.slice(16);
  if (encodeCursor(scope, after) === cursor) return after;
  throw new NightshiftError(
    "CURSOR_INVALID",
    "This cursor isn't one of this list; leave it out to start from the first page.",
  );
}

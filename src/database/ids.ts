import { randomBytes } from "node:crypto";

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

/** Sorts after every id made before `ms`, and before every later one. */
export const idsBefore = (prefix: string, ms: number): string =>
  `${prefix}_${Math.max(0, ms).toString(16).padStart(12, "0")}`;

import { randomBytes } from "node:crypto";

const RANDOM_BYTES = 10;
let lastMs = -1;
let count = 0;

/**
 * An unguessable id that sorts by the time it was made: `<prefix>_<ms, 12 hex><count within the ms, 3 hex><80 random
 * bits>`. Sorting serves as "newest first" and keeps neighbours in time neighbours in the index. Lower-case, because
 * ids travel in URIs.
 */
export function newId(prefix: "job" | "run" | "msg", nowMs: number): string {
  count = nowMs === lastMs ? (count + 1) & 0xfff : 0;
  lastMs = nowMs;
  const time = Math.max(0, nowMs).toString(16).padStart(12, "0");
  return `${prefix}_${time}${count.toString(16).padStart(3, "0")}${randomBytes(RANDOM_BYTES).toString("hex")}`;
}

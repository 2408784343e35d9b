import { createHash } from "node:crypto";
import type { Row } from "../database/locked-file.ts";

/** What a table comes to: the same for the same rows, in whichever order they are read. */
export interface Sum {
  readonly rows: number;
  /** 32 hex digits: the sum of the rows' digests. */
  readonly checksum: string;
}

const MASK = (1n << 128n) - 1n;

/** One text for each row: columns in their order, and no two rows alike in it. */
export const textOf = (row: Row): string => JSON.stringify(row);

export function createChecksum(): { add(row: Row): void; sum(): Sum } {
  let rows = 0;
  let total = 0n;
  return {
    add(row) {
      rows++;
      const digest = createHash("sha256").update(textOf(row)).digest("hex").slice(0, 32);
      total = (total + BigInt(`0x${digest}`)) & MASK;
    },
    sum: () => ({ rows, checksum: total.toString(16).padStart(32, "0") }),
  };
}

export const isSame = (one: Sum, other: Sum): boolean =>
  one.rows === other.rows && one.checksum === other.checksum;

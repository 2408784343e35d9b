import { createHmac, timingSafeEqual } from "node:crypto";
import { NightshiftError } from "../errors.ts";

const POSITION_BYTES = 6;
const SIGNATURE_BYTES = 16;

export interface Cursors {
  /** Returns a cursor for the facts older than `position`. */
  encode(position: number): string;
  /** Throws CURSOR_INVALID for anything that `encode` did not return for the same owner and secret. */
  decode(cursor: string): number;
}

/**
 * Cursors of one owner. A cursor is a position among the owner's own facts, never a key, so a forged one could at worst
 * start the forger's own list at another fact. The signature makes it fail with an error instead.
 */
export function createCursors(secret: string, userKey: string): Cursors {
  const sign = (position: Buffer) =>
    createHmac("sha256", secret).update(userKey).update(position).digest().subarray(0, SIGNATURE_BYTES);
  return {
    encode(position) {
      const bytes = Buffer.alloc(POSITION_BYTES);
      bytes.writeUIntBE(position, 0, POSITION_BYTES);
      return Buffer.concat([bytes, sign(bytes)]).toString("base64url");
    },
    decode(cursor) {
      const bytes = Buffer.from(cursor, "base64url");
      const position = bytes.subarray(0, POSITION_BYTES);
      const signature = bytes.subarray(POSITION_BYTES);
      // Decoding base64url skips unknown characters, so the text is compared too.
      const isWhole = signature.length === SIGNATURE_BYTES && bytes.toString("base64url") === cursor;
      if (isWhole && timingSafeEqual(signature, sign(position)))
        return position.readUIntBE(0, POSITION_BYTES);
      throw new NightshiftError(
        "CURSOR_INVALID",
        "This cursor was not given to you; leave it out to start from the newest fact.",
      );
    },
  };
}

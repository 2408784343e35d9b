import { createHmac, timingSafeEqual } from "node:crypto";
import { NightshiftError } from "../errors.ts";

const POSITION_BYTES = 6;
const SIGNATURE_BYTES = 16;

export interface Cursors {
  /** A cursor for the facts older than `position`. */
  encode(position: number): string;
  /** Throws CURSOR_INVALID for anything that `encode` of the same owner and secret did not give. */
  decode(cursor: string): number;
}

/**
 * Cursors of one owner. A cursor names a place in the order of the owner's own facts, never a key, so the worst a
 * forged one could do is to page oddly through the forger's own memory; the signature makes it fail loudly instead.
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
      // Decoding base64url skips what it doesn't know, so that the text is compared as well.
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

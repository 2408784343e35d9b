import { createHash } from "node:crypto";
import { NightshiftError } from "../errors.ts";

/**
 * A cursor is the last id of a page and a digest that ties it to one owner, one list and one filter. The digest
 * catches mistakes early; what protects other people's rows is that every query carries the owner anyway.
 */
export type CursorScope = readonly (string | null)[];

const digestOf = (scope: CursorScope, after: string): string =>
  createHash("sha256")
    .update(JSON.stringify([...scope, after]))
    .digest("hex")
    .slice(0, 16);

export const encodeCursor = (scope: CursorScope, after: string): string =>
  Buffer.from(`${digestOf(scope, after)}${after}`).toString("base64url");

/** The id after which the page starts. Throws CURSOR_INVALID for anything that `encodeCursor` didn't give out. */
export function decodeCursor(scope: CursorScope, cursor: string): string {
  const text = Buffer.from(cursor, "base64url").toString();
  const after = text.slice(16);
  if (encodeCursor(scope, after) === cursor) return after;
  throw new NightshiftError(
    "CURSOR_INVALID",
    "This cursor isn't one of this list; leave it out to start from the first page.",
  );
}

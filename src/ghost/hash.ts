import { createHash } from "node:crypto";

/** 96 bits of a hash of any JSON. */
export const hashOf = (value: unknown): string =>
  createHash("sha256")
    .update(JSON.stringify(value) ?? "")
    .digest("base64url")
    .slice(0, 16);

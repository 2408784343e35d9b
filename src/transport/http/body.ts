import type { IncomingMessage } from "node:http";
import express, { type RequestHandler } from "express";

class TooDeep extends Error {
  readonly status = 400;
  readonly type = "json.too.deep";
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING = new Set([0x7b, 0x5b]);
const CLOSING = new Set([0x7d, 0x5d]);
/** Values of one body: far above any real call, far below what makes parsing slow. */
const MAX_VALUES = 100_000;

/** Throws when the JSON is nested deeper than `maxDepth` or has too many values: seen by its bytes, before it is parsed. */
function checkShape(bytes: Uint8Array, maxDepth: number): void {
  let depth = 0;
  let values = 0;
  let isString = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (isString) {
      if (byte === BACKSLASH) i += 1;
      else if (byte === QUOTE) isString = false;
    } else if (byte === QUOTE) isString = true;
    else if (OPENING.has(byte)) depth += 1;
    else if (CLOSING.has(byte)) depth -= 1;
    else if (byte === 0x2c) values += 1;
    if (depth > maxDepth || values > MAX_VALUES)
      throw new TooDeep("the JSON of this request is too deep or too large");
  }
}

/** Reads a JSON body within bounds. Only requests that were authenticated get here. */
export function readBody(limits: { maxBodyBytes: number; maxJsonDepth: number }): RequestHandler {
  return express.json({
    limit: limits.maxBodyBytes,
    verify: (_req: IncomingMessage, _res, bytes) => checkShape(bytes, limits.maxJsonDepth),
  });
}

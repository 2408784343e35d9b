import type { IncomingMessage } from "node:http";
import { isJsonContentType } from "@modelcontextprotocol/server";

export interface BodyLimits {
  readonly maxBodyBytes: number;
  readonly maxJsonDepth: number;
}

/** The value is `undefined` where there is no JSON; the SDK then answers what it expects. */
export type Body =
  | { readonly kind: "read"; readonly value: unknown }
  | { readonly kind: "refused"; readonly status: 400 | 413 | 415; readonly message: string };

const TOO_LARGE = {
  kind: "refused",
  status: 413,
  message: "The body of this request is too large.",
} as const;
const TOO_DEEP = {
  kind: "refused",
  status: 400,
  message: "The JSON of this request is too deep or has too many values.",
} as const;
const NOT_JSON = {
  kind: "refused",
  status: 400,
  message: "The body of this request is not valid JSON.",
} as const;
const ENCODED = {
  kind: "refused",
  status: 415,
  message: "Send the body as it is, without a content encoding.",
} as const;
const NO_BODY = { kind: "read", value: undefined } as const;

/** Reads the JSON body of an authenticated request, within limits. Rejects when the caller goes away. */
export async function readBody(req: IncomingMessage, limits: BodyLimits): Promise<Body> {
  const { headers } = req;
  const length = headers["content-length"];
  if ((length === undefined && headers["transfer-encoding"] === undefined) || length === "0") return NO_BODY;
  if (!isJsonContentType(headers["content-type"] ?? null)) return NO_BODY;
  if ((headers["content-encoding"] ?? "identity") !== "identity") return ENCODED;
  if (Number(length) > limits.maxBodyBytes) return TOO_LARGE;
  const bytes = await readBytes(req, limits.maxBodyBytes);
  if (!bytes) return TOO_LARGE;
  if (!isWithinLimits(bytes, limits.maxJsonDepth)) return TOO_DEEP;
  try {
    const value: unknown = JSON.parse(bytes.toString());
    return typeof value === "object" && value !== null ? { kind: "read", value } : NOT_JSON;
  } catch {
    return NOT_JSON;
  }
}

function readBytes(req: IncomingMessage, most: number): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    req.on("data", (chunk: Buffer) => {
      size += chunk.length;
      // The rest is read and dropped: many clients read no response before they have sent their body.
      if (size <= most) chunks.push(chunk);
      else resolve(undefined);
    });
    req.on("end", () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
    req.on("error", reject);
    req.on("close", () => {
      // Every request closes; an error made for each would be waste.
      if (!req.readableEnded) reject(new Error("the caller went away before the end of its body"));
    });
  });
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
/** Values in one body: far more than any real call has, far fewer than make parsing slow. */
const MAX_VALUES = 100_000;

/** False for JSON that is nested too deep or has too many values. Scans the bytes before they are parsed. */
function isWithinLimits(bytes: Uint8Array, maxDepth: number): boolean {
  let depth = 0;
  let values = 0;
  let isString = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (isString) {
      if (byte === BACKSLASH) i += 1;
      else if (byte === QUOTE) isString = false;
    } else if (byte === QUOTE) isString = true;
    else if (byte === 0x7b || byte === 0x5b) depth += 1;
    else if (byte === 0x7d || byte === 0x5d) depth -= 1;
    else if (byte === COMMA) values += 1;
    if (depth > maxDepth || values > MAX_VALUES) return false;
  }
  return true;
}

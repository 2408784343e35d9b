import type { IncomingMessage } from "node:http";
import { isJsonContentType } from "@modelcontextprotocol/server";
import type { ByteAccount } from "../../connection/held-bytes.ts";
import { collectBytes } from "../bytes.ts";
import { BYTE_ORDER_MARK } from "../frames.ts";

export interface BodyLimits {
  readonly maxBodyBytes: number;
  readonly maxJsonDepth: number;
  readonly bodySeconds: number;
}

/** The value is `undefined` where there is no JSON; the SDK then answers what it expects. */
export type Body =
  | { readonly kind: "read"; readonly value: unknown }
  | {
      readonly kind: "refused";
      readonly status: 400 | 408 | 413 | 415 | 429;
      readonly message: string;
      /** JSON-RPC's; default -32700. */
      readonly code?: number;
    };

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
const NOT_A_MESSAGE = {
  kind: "refused",
  status: 400,
  code: -32_600,
  message: "The body of this request is no JSON-RPC message.",
} as const;
const ENCODED = {
  kind: "refused",
  status: 415,
  message: "Send the body as it is, without a content encoding.",
} as const;
const LATE = {
  kind: "refused",
  status: 408,
  message: "The body of this request did not arrive in time.",
} as const;
/** Also said of an account's other bytes: which of them are too many, the caller cannot know. */
const TOO_MUCH_HELD = {
  kind: "refused",
  status: 429,
  message: "You have sent too much at once; wait for a call to end.",
} as const;
const NO_BODY = { kind: "read", value: undefined } as const;

/**
 * Reads the JSON body of an authenticated request, within limits and as far as `held` takes its bytes, which the caller
 * gives back. Rejects when the caller goes away.
 */
export async function readBody(
  req: IncomingMessage,
  limits: BodyLimits,
  held: Pick<ByteAccount, "take">,
): Promise<Body> {
  const { headers } = req;
  const length = headers["content-length"];
  if ((length === undefined && headers["transfer-encoding"] === undefined) || length === "0") return NO_BODY;
  if (!isJsonContentType(headers["content-type"] ?? null)) return NO_BODY;
  if ((headers["content-encoding"] ?? "identity") !== "identity") return ENCODED;
  if (Number(length) > limits.maxBodyBytes) return TOO_LARGE;
  const most = Math.min(limits.maxBodyBytes, Number(length ?? limits.maxBodyBytes));
  const bytes = await readBytes(req, { ...limits, maxBodyBytes: most }, held);
  if (!Buffer.isBuffer(bytes)) return bytes;
  if (!isWithinLimits(bytes, limits.maxJsonDepth)) return TOO_DEEP;
  try {
    const text = bytes.toString();
    const value: unknown = JSON.parse(text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text);
    return typeof value === "object" && value !== null ? { kind: "read", value } : NOT_A_MESSAGE;
  } catch {
    return NOT_JSON;
  }
}

function readBytes(
  req: IncomingMessage,
  { maxBodyBytes: most, bodySeconds }: BodyLimits,
  held: Pick<ByteAccount, "take">,
): Promise<Buffer | Body> {
  return new Promise((resolve, reject) => {
    const bytes = collectBytes(most, held.take);
    let isRefused = false;
    const refuse = (why: Body) => {
      isRefused = true;
      clearTimeout(timer);
      bytes.take();
      resolve(why);
    };
    const timer = setTimeout(refuse, bodySeconds * 1000, LATE);
    req.on("data", (chunk: Buffer) => {
      // The rest is read and dropped: many clients read no response before they have sent their body.
      if (isRefused) return;
      const outcome = bytes.add(chunk);
      if (outcome !== "added") refuse(outcome === "full" ? TOO_LARGE : TOO_MUCH_HELD);
    });
    req.on("end", () => {
      clearTimeout(timer);
      resolve(bytes.take());
    });
    req.on("error", reject);
    req.on("close", () => {
      clearTimeout(timer);
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

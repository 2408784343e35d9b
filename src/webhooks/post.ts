import type { LookupAddress } from "node:dns";
import { lookup, Resolver } from "node:dns/promises";
import { type ClientRequest, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { hostOf, PRIVATE_ADDRESS } from "./url.ts";

export interface PostOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Asked once, at the moment of connecting. */
  readonly resolve: Resolve;
  /** Whether an IP address may be connected to. */
  readonly isAllowed: (address: string) => boolean;
  /** From the look-up to the answer's status; default 10,000. */
  readonly timeoutMs?: number;
  readonly signal: AbortSignal;
}

/** What came of it. Sentences here never have a URL, an address or foreign words in them. */
export type PostResult =
  | { readonly kind: "answered"; readonly status: number; readonly retryAfter: string | undefined }
  | { readonly kind: "unreachable"; readonly error: string }
  /** Not tried: the address is not one to connect to. */
  | { readonly kind: "refused"; readonly error: string }
  /** `signal` said so. */
  | { readonly kind: "stopped" };

const POST_TIMEOUT_MS = 10_000;

/** An address that is not allowed: nothing is sent, whatever others the name has. */
class Refusal extends Error {}

/**
 * Sends one POST and waits for the status of its answer, no more: what else is answered is not read, and a redirect is
 * an answer like any other. Never rejects.
 */
export async function post(url: URL, options: PostOptions): Promise<PostResult> {
  const { signal, timeoutMs = POST_TIMEOUT_MS, isAllowed } = options;
  // No look-up is made for an address, so it is looked at here.
  const host = hostOf(url);
  if (isIP(host) !== 0 && !isAllowed(host)) return { kind: "refused", error: PRIVATE_ADDRESS };
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), timeoutMs);
  try {
    return await send(url, options, AbortSignal.any([signal, late.signal]));
  } catch (error) {
    if (signal.aborted) return { kind: "stopped" };
    if (late.signal.aborted)
      return { kind: "unreachable", error: `It did not answer within ${timeoutMs / 1000} s.` };
    if (error instanceof Refusal) return { kind: "refused", error: PRIVATE_ADDRESS };
    return { kind: "unreachable", error: `It could not be reached (${publicCode(error)}).` };
  } finally {
    clearTimeout(timer);
  }
}

function send(
  url: URL,
  { headers, body, ...options }: PostOptions,
  signal: AbortSignal,
): Promise<PostResult> {
  const { promise, resolve, reject } = Promise.withResolvers<PostResult>();
  const begin = url.protocol === "https:" ? requestHttps : requestHttp;
  const request: ClientRequest = begin(url, {
    method: "POST",
    headers: { ...headers, "content-length": String(Buffer.byteLength(body)) },
    // A connection of its own: one that is kept was looked at for another time, and a proxy looks for itself.
    agent: false,
    lookup: lookupWith(options, signal),
    signal,
  });
  request.once("response", (response) => {
    const { statusCode = 0, headers: answered } = response;
    response.destroy();
    resolve({ kind: "answered", status: statusCode, retryAfter: answered["retry-after"] });
  });
  // Destroying the answer may end in an error of the request, which tells nothing any more.
  request.on("error", reject);
  request.once("close", () => reject(new Error("closed")));
  request.end(body);
  return promise;
}

/** The look-up that the connection itself makes: what is checked here is what is connected to. */
function lookupWith(
  { resolve, isAllowed }: Pick<PostOptions, "resolve" | "isAllowed">,
  signal: AbortSignal,
): LookupFunction {
  return (host, { all }, done) => {
    const answer = async () => {
      const found = await resolve(host.replace(/\.$/, ""), signal);
      if (!found.every(({ address }) => isAllowed(address))) throw new Refusal();
      return found;
    };
    answer().then(
      (found) => {
        const [first] = found;
        if (!first) done(Object.assign(new Error("no address"), { code: "ENOTFOUND" }), []);
        else if (all) done(null, [...found]);
        else done(null, first.address, first.family);
      },
      (error: Error) => done(error, []),
    );
  };
}

/** Codes are Node's and OpenSSL's own; anything else is not repeated. */
function publicCode(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return /^[A-Z][A-Z0-9_]{1,60}$/.test(code) ? code : "connection closed";
}

/** To where a name leads. Rejects with the resolver's error when there is no such name, or with `signal`. */
export type Resolve = (host: string, signal: AbortSignal) => Promise<readonly LookupAddress[]>;

/**
 * Asks name servers (default: the system's) and not the system: its look-ups share two threads of this process, and a
 * name server that somebody keeps slow would hold up everybody's models and webhooks.
 */
export const askNameServers =
  (servers?: readonly string[]): Resolve =>
  async (host, signal) => {
    const resolver = new Resolver({ timeout: 2_000, tries: 2 });
    if (servers) resolver.setServers(servers);
    const cancel = () => resolver.cancel();
    signal.addEventListener("abort", cancel, { once: true });
    try {
      const [ipv4, ipv6] = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
      if (ipv4.status === "rejected" && ipv6.status === "rejected") throw ipv4.reason;
      return [...addressesOf(ipv4, 4), ...addressesOf(ipv6, 6)];
    } finally {
      signal.removeEventListener("abort", cancel);
    }
  };

const addressesOf = (answer: PromiseSettledResult<string[]>, family: 4 | 6): LookupAddress[] =>
  answer.status === "fulfilled" ? answer.value.map((address) => ({ address, family })) : [];

/** As the system does it, with its hosts file: where private addresses are allowed. */
export const askSystem: Resolve = (host) => lookup(host, { all: true });

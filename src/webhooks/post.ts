import type { LookupAddress } from "node:dns";
import { lookup, Resolver } from "node:dns/promises";
import { type ClientRequest, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { hostOf, PRIVATE_ADDRESS } from "./url.ts";

export interface PostOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Called once, when the connection is made. */
  readonly resolve: Resolve;
  /** True for IP addresses that may be connected to. */
  readonly isAllowed: (address: string) => boolean;
  /** From the look-up of the name to the status of the response; default 10,000. */
  readonly timeoutMs?: number;
  readonly signal: AbortSignal;
}

/** The result of a POST. An `error` is a sentence without the URL, addresses or words of the receiver. */
export type PostResult =
  | { readonly kind: "answered"; readonly status: number; readonly retryAfter: string | undefined }
  | { readonly kind: "unreachable"; readonly error: string }
  /** Not sent, because the address is not allowed. */
  | { readonly kind: "refused"; readonly error: string }
  /** `signal` was aborted. */
  | { readonly kind: "stopped" };

const POST_TIMEOUT_MS = 10_000;

/** An address of the name is not allowed. Nothing is sent then, whatever its other addresses are. */
class AddressRefused extends Error {}

/**
 * Sends one POST and waits for the status of its response. The body is not read, and redirects are not followed. Never
 * rejects.
 */
export async function post(url: URL, options: PostOptions): Promise<PostResult> {
  const { signal, timeoutMs = POST_TIMEOUT_MS, isAllowed } = options;
  // No look-up is made for an IP address, so it is checked here.
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
    if (error instanceof AddressRefused) return { kind: "refused", error: PRIVATE_ADDRESS };
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
    // A new connection without an agent: a kept connection skips the check of the address, and so does a proxy.
    agent: false,
    lookup: lookupWith(options, signal),
    signal,
  });
  request.once("response", (response) => {
    const { statusCode = 0, headers: answered } = response;
    response.destroy();
    resolve({ kind: "answered", status: statusCode, retryAfter: answered["retry-after"] });
  });
  // Destroying the response may end in an error of the request, which the settled promise ignores.
  request.on("error", reject);
  request.once("close", () => reject(new Error("closed")));
  request.end(body);
  return promise;
}

/** The look-up that the connection itself makes, so that the checked address is the one that is connected to. */
function lookupWith(
  { resolve, isAllowed }: Pick<PostOptions, "resolve" | "isAllowed">,
  signal: AbortSignal,
): LookupFunction {
  return (host, { all }, done) => {
    const answer = async () => {
      const found = await resolve(host.replace(/\.$/, ""), signal);
      if (!found.every(({ address }) => isAllowed(address))) throw new AddressRefused();
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

/** Error codes of Node and OpenSSL. Other texts are not passed on. */
function publicCode(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return /^[A-Z][A-Z0-9_]{1,60}$/.test(code) ? code : "connection closed";
}

/** Resolves a name to its addresses. Rejects with the resolver's error, or when `signal` aborts. */
export type Resolve = (host: string, signal: AbortSignal) => Promise<readonly LookupAddress[]>;

/**
 * Resolves names with name servers (default: the system's) and not with `dns.lookup`, whose calls share two threads of
 * this process: one slow name server would hold up everybody's models and webhooks.
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

/** Resolves names as the system does, with its hosts file, for hosts that allow private addresses. */
export const askSystem: Resolve = (host) => lookup(host, { all: true });

import type { LookupAddress } from "node:dns";
import { lookup, Resolver } from "node:dns/promises";

/**
 * Asks the name servers, and not the system: its look-ups share two threads of this process, and a name server that
 * somebody keeps slow would hold up everybody's models and webhooks.
 */
export async function resolvePublic(host: string, signal: AbortSignal): Promise<LookupAddress[]> {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  const cancel = () => resolver.cancel();
  signal.addEventListener("abort", cancel, { once: true });
  try {
    const [ipv4, ipv6] = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
    if (ipv4.status === "rejected" && ipv6.status === "rejected") throw ipv4.reason;
    const found = (answer: PromiseSettledResult<string[]>, family: 4 | 6) =>
      answer.status === "fulfilled" ? answer.value.map((address) => ({ address, family })) : [];
    return [...found(ipv4, 4), ...found(ipv6, 6)];
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}

/** As the system does it, with its hosts file: where private addresses are allowed. */
export const resolveSystem = (host: string): Promise<LookupAddress[]> => lookup(host, { all: true });

import type { LookupAddress } from "node:dns";
import { lookup, Resolver } from "node:dns/promises";

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

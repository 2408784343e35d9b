import { BlockList, isIP } from "node:net";

const MAX_URL_CHARS = 2_000;

export const PRIVATE_ADDRESS =
  "A webhook goes to a public address; private and loopback ones only where NIGHTSHIFT_WEBHOOK_ALLOW_PRIVATE is set.";

/** The name or address in a URL, without the brackets of IPv6 and the dot of a full name. */
export const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$|\.$/g, "");

/**
 * A sentence that says why nothing is sent to this URL, without the URL in it; undefined when it may be tried. The
 * addresses of a name are checked when the connection is made, and not here.
 */
export function urlProblem(
  text: string,
  { allowPrivate }: { readonly allowPrivate: boolean },
): string | undefined {
  if (text.length > MAX_URL_CHARS) return `A webhook's URL has at most ${MAX_URL_CHARS} characters.`;
  const url = URL.parse(text);
  if (url?.protocol !== "https:" && url?.protocol !== "http:") return "A webhook is an https:// URL.";
  if (url.username || url.password)
    return "A webhook's URL has no user name or password in it: what is sent is signed instead.";
  if (allowPrivate) return undefined;
  if (url.protocol === "http:")
    return "A webhook's URL begins with https://; http:// only where NIGHTSHIFT_WEBHOOK_ALLOW_PRIVATE is set.";
  const host = hostOf(url);
  const isLocal = /(?:^|\.)localhost$/.test(host) || (isIP(host) !== 0 && !isPublicAddress(host));
  return isLocal ? PRIVATE_ADDRESS : undefined;
}

/** Not public, by IANA's registry of special-purpose addresses. The last one is Azure's internal address. */
const SPECIAL_IPV4 = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
  "168.63.129.16/32",
];

/** The only range of IPv6 for public use: mapped, translated, local and multicast addresses are outside of it. */
const GLOBAL_IPV6 = ["2000::/3"];
/** Exceptions within it: Teredo and other protocol assignments, 6to4, and documentation. */
const SPECIAL_IPV6 = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

function listOf(ranges: readonly string[], family: "ipv4" | "ipv6"): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [network = "", bits] = range.split("/");
    list.addSubnet(network, Number(bits), family);
  }
  return list;
}

const specialIpv4 = listOf(SPECIAL_IPV4, "ipv4");
const globalIpv6 = listOf(GLOBAL_IPV6, "ipv6");
const specialIpv6 = listOf(SPECIAL_IPV6, "ipv6");

/** True for an IP address of the public internet. False for other texts, and for an address with a zone. */
export function isPublicAddress(address: string): boolean {
  if (address.includes("%")) return false;
  switch (isIP(address)) {
    case 4:
      return !specialIpv4.check(address, "ipv4");
    case 6:
      return globalIpv6.check(address, "ipv6") && !specialIpv6.check(address, "ipv6");
    default:
      return false;
  }
}

import { isIP } from "node:net";
import { isPublicAddress } from "./address.ts";

const MAX_URL_CHARS = 2_000;

export const PRIVATE_ADDRESS =
  "A webhook goes to a public address; private and loopback ones only where NIGHTSHIFT_WEBHOOK_ALLOW_PRIVATE is set.";

/** The name or address in a URL, without the brackets of IPv6 and the dot of a full name. */
export const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$|\.$/g, "");

/**
 * Why nothing is sent to this URL, as a sentence that does not repeat it; undefined when it may be tried. To where a
 * name leads is looked at when the connection is made, and not here.
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

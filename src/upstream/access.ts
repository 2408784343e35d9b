import { upstreamName } from "../tools/upstream.ts";
import type { UpstreamServer } from "./config.ts";

/** True when the operator lets this user use the server at all. */
export const mayUse = ({ access }: UpstreamServer, userKey: string): boolean =>
  access?.userKeys?.includes(userKey) ?? true;

/** True when `tool` (`server__tool`) is among those of the server that the operator lets anybody use. */
export const isOffered = ({ name, access }: UpstreamServer, tool: string): boolean =>
  access?.tools?.some((own) => upstreamName(name, own) === tool) ?? true;

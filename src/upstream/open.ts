import { NightshiftError } from "../errors.ts";
import { once } from "../lifecycle.ts";
import {
  isGranted,
  serverOf,
  type UpstreamAnswer,
  type UpstreamListing,
  type Upstreams,
} from "../tools/upstream.ts";
import { isOffered, mayUse } from "./access.ts";
import type { UpstreamConfig, UpstreamLog, UpstreamServer } from "./config.ts";
import type { ConnectedServer } from "./upstream-server.ts";

export interface OpenUpstreamsOptions {
  /** `server__tool` and `server__*`; no other server is connected. */
  readonly grants: readonly string[];
  /** Whose run it is: the operator may limit who uses a server. */
  readonly userKey: string;
  readonly log: UpstreamLog;
  /** For connecting to one server and listing its tools; default 30,000. */
  readonly connectMs?: number;
}

const CONNECT_MS = 30_000;

/**
 * The granted tools of the configured servers, over connections of their own: no connection, process or session is
 * shared between two runs. The MCP client is imported when the first server is needed.
 */
export function openUpstreams(config: UpstreamConfig, options: OpenUpstreamsOptions): Upstreams {
  const { grants, userKey, log, connectMs = CONNECT_MS } = options;
  const named = new Set(grants.map(serverOf));
  const granted = config.filter(({ name }) => named.has(name));
  const wanted = granted.filter((server) => mayUse(server, userKey));
  const denied = granted.filter((server) => !wanted.includes(server)).map(({ name }) => name);
  const isAllowed = (tool: string) =>
    isGranted(tool, grants) && wanted.some((one) => one.name === serverOf(tool) && isOffered(one, tool));
  const ending = new AbortController();
  const connectAll = async () => {
    const { connectServer } = await import("./upstream-server.ts");
    return Promise.all(
      wanted.map((server) => connectServer(server, { log, timeoutMs: connectMs, signal: ending.signal })),
    );
  };
  let opened: Promise<readonly ConnectedServer[]> | undefined;
  const connected = (signal: AbortSignal) => {
    ending.signal.throwIfAborted();
    opened ??= connectAll();
    return unless(signal, opened);
  };
  return {
    async list(signal) {
      const { tools, notes } = listingOf(await connected(signal), isAllowed);
      return { tools, notes: [...denied.map(deniedNote), ...notes] };
    },
    async call(tool, args, signal): Promise<UpstreamAnswer> {
      const server = serverOf(tool);
      const found = isAllowed(tool)
        ? (await connected(signal)).find(({ name }) => name === server)
        : undefined;
      if (!found?.tools.some(({ name }) => name === tool))
        throw new NightshiftError("TOOL_DENIED", "This run may not call that tool of another server.");
      return found.call(tool, args, signal);
    },
    close: once(async () => {
      ending.abort(new NightshiftError("CANCELLED", "The run has ended."));
      const all = (await opened?.catch(() => [])) ?? [];
      await Promise.all(all.map((one) => one.close()));
    }),
  };
}

const deniedNote = (server: string): string =>
  `The tools of ${server} are absent: the operator lets only other users use them.`;

function listingOf(
  connected: readonly ConnectedServer[],
  isAllowed: (tool: string) => boolean,
): UpstreamListing {
  return {
    tools: connected.flatMap(({ tools }) => tools.filter(({ name }) => isAllowed(name))),
    notes: connected.flatMap(({ name, left, notes }) => {
      const missed = left.filter(isAllowed);
      return missed.length > 0 ? [...notes, leftOut(name, missed)] : notes;
    }),
  };
}

function leftOut(server: string, missed: readonly string[]): string {
  const more = missed.length > 10 ? ` and ${missed.length - 10} more` : "";
  return `Left out of ${server}, for their name or their schema: ${missed.slice(0, 10).join(", ")}${more}.`;
}

/** Resolves or rejects as `work` does, or rejects with the reason of `signal` if that aborts first. `work` goes on. */
async function unless<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

export interface ServerTools {
  readonly server: string;
  /** `server__tool`, all of them. */
  readonly names: readonly string[];
  /** The reason why it could not be asked. */
  readonly problem?: string;
}

/** Connects to each server, lists its tools and disconnects. Never rejects. */
export async function listServers(
  servers: readonly UpstreamServer[],
  { log, timeoutMs }: { log: UpstreamLog; timeoutMs: number },
): Promise<readonly ServerTools[]> {
  const { connectServer } = await import("./upstream-server.ts");
  const signal = new AbortController().signal;
  return Promise.all(
    servers.map(async (server) => {
      const { tools, problem, close } = await connectServer(server, { log, timeoutMs, signal });
      await close();
      return { server: server.name, names: tools.map(({ name }) => name), ...(problem && { problem }) };
    }),
  );
}

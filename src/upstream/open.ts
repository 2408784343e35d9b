import { NightshiftError } from "../errors.ts";
import { once } from "../lifecycle.ts";
import {
  isGranted,
  serverOf,
  type UpstreamAnswer,
  type UpstreamListing,
  type Upstreams,
} from "../tools/upstream.ts";
import type { UpstreamConfig, UpstreamLog, UpstreamServer } from "./config.ts";
import type { ConnectedServer } from "./upstream-server.ts";

export interface OpenUpstreamsOptions {
  /** `server__tool` and `server__*`; no other server is connected. */
  readonly grants: readonly string[];
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
  const { grants, log, connectMs = CONNECT_MS } = options;
  const named = new Set(grants.map(serverOf));
  const wanted = config.filter(({ name }) => named.has(name));
  const ending = new AbortController();
  const connectAll = once(async () => {
    const { connectServer } = await import("./upstream-server.ts");
    return Promise.all(
      wanted.map((server) => connectServer(server, { log, timeoutMs: connectMs, signal: ending.signal })),
    );
  });
  let opened: Promise<readonly ConnectedServer[]> | undefined;
  const connected = (signal: AbortSignal) => {
    ending.signal.throwIfAborted();
    opened ??= connectAll();
    return unless(signal, opened);
  };
  return {
    list: async (signal) => listingOf(await connected(signal), grants),
    async call(tool, args, signal): Promise<UpstreamAnswer> {
      const server = serverOf(tool);
      const found = isGranted(tool, grants)
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

function listingOf(connected: readonly ConnectedServer[], grants: readonly string[]): UpstreamListing {
  return {
    tools: connected.flatMap(({ tools }) => tools.filter(({ name }) => isGranted(name, grants))),
    notes: connected.flatMap(({ name, left, notes }) => {
      const missed = left.filter((tool) => isGranted(tool, grants));
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

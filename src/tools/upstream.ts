/** A tool of another MCP server, as it is offered to a ghost. */
export interface UpstreamTool {
  /** `server__tool`. */
  readonly name: string;
  readonly title?: string;
  readonly description: string;
  readonly inputSchema: Readonly<Record<string, unknown>>;
  /** What the server says of it: whether a call may be made again whose outcome is unknown. */
  readonly annotations?: { readonly readOnlyHint?: boolean; readonly idempotentHint?: boolean };
}

/** The tools that were found, and a sentence for each tool or server that was not. */
export interface UpstreamListing {
  readonly tools: readonly UpstreamTool[];
  readonly notes: readonly string[];
}

/** The result of a call. A failure is a result too: the model reads it and goes on. */
export interface UpstreamAnswer {
  readonly text: string;
  readonly structured?: Readonly<Record<string, unknown>>;
  readonly isError: boolean;
}

/** The other MCP servers of one run, limited to the tools that it was granted. */
export interface Upstreams {
  /** Connects on the first call; a server that cannot be reached becomes a note. Rejects only when `signal` aborts. */
  list(signal: AbortSignal): Promise<UpstreamListing>;
  /** Rejects with TOOL_DENIED for a tool that was not granted or does not exist, and when `signal` aborts. */
  call(tool: string, args: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<UpstreamAnswer>;
  /** Ends every connection and every process. Never rejects; may be called twice. */
  close(): Promise<void>;
}

/** Stands between the server's name and the tool's; no server's name contains it. */
const SEPARATOR = "__";

export const upstreamName = (server: string, tool: string): string => `${server}${SEPARATOR}${tool}`;

/** The server in a name such as `server__tool` or `server__*`; undefined for other names. */
export function serverOf(name: string): string | undefined {
  const at = name.indexOf(SEPARATOR);
  return at > 0 ? name.slice(0, at) : undefined;
}

/** `server__*`: all the tools of one server. */
export const isWildcard = (name: string): boolean => name.endsWith(`${SEPARATOR}*`);

/** True when one of `grants` is this tool, or `server__*` of its server. */
export function isGranted(tool: string, grants: readonly string[]): boolean {
  const server = serverOf(tool);
  return server !== undefined && (grants.includes(tool) || grants.includes(upstreamName(server, "*")));
}

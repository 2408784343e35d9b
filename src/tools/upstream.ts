/** A tool of another MCP server as a ghost is offered it. */
export interface UpstreamTool {
  /** `server__tool`. */
  readonly name: string;
  readonly title?: string;
  readonly description: string;
  readonly inputSchema: Readonly<Record<string, unknown>>;
}

/** The tools that could be had, and a sentence for each thing that could not. */
export interface UpstreamListing {
  readonly tools: readonly UpstreamTool[];
  readonly notes: readonly string[];
}

/** What a call came to. That it failed is a value too: the model reads it and goes on. */
export interface UpstreamAnswer {
  readonly text: string;
  readonly structured?: Readonly<Record<string, unknown>>;
  readonly isError: boolean;
}

/** Other MCP servers for one run, and what that run may call there. */
export interface Upstreams {
  /** Connects on the first call; a server that cannot be reached is a note. Rejects only when `signal` aborts. */
  list(signal: AbortSignal): Promise<UpstreamListing>;
  /** Rejects with TOOL_DENIED for a tool that was not granted or is not there, and when `signal` aborts. */
  call(tool: string, args: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<UpstreamAnswer>;
  /** Ends every connection and every process. Never rejects; may be called twice. */
  close(): Promise<void>;
}

/** Between the server's name and the tool's; no server's name has it. */
const SEPARATOR = "__";

export const upstreamName = (server: string, tool: string): string => `${server}${SEPARATOR}${tool}`;

/** The server that a name such as `server__tool` or `server__*` speaks of; undefined for other names. */
export function serverOf(name: string): string | undefined {
  const at = name.indexOf(SEPARATOR);
  return at > 0 ? name.slice(0, at) : undefined;
}

/** `server__*`: all the tools of one server. */
export const isWildcard = (name: string): boolean => name.endsWith(`${SEPARATOR}*`);

/** Whether one of `grants` names this tool, itself or as `server__*`. */
export function isGranted(tool: string, grants: readonly string[]): boolean {
  const server = serverOf(tool);
  return server !== undefined && (grants.includes(tool) || grants.includes(upstreamName(server, "*")));
}

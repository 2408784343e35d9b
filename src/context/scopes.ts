/** The permissions that a credential can have. `upstream:*` is that of every server. Stdio clients and the command line have all. */
export const SCOPES = [
  "facts:read",
  "facts:write",
  "jobs:read",
  "jobs:write",
  "upstream:*",
] as const satisfies readonly Scope[];

export type Scope =
  | "facts:read"
  | "facts:write"
  | "jobs:read"
  | "jobs:write"
  /** Jobs may be given tools of this server of `--mcp-config`. */
  | `upstream:${string}`;

const UPSTREAM = /^upstream:(?:\*|[a-zA-Z0-9_-]{1,32})$/;

export const isScope = (text: string): text is Scope =>
  (SCOPES as readonly string[]).includes(text) || UPSTREAM.test(text);

/** True where these scopes let a job be given tools of the server. */
export const mayName = (server: string, scopes: readonly Scope[]): boolean =>
  scopes.includes("upstream:*") || scopes.includes(`upstream:${server}`);

/** The permissions that a credential can have. Stdio clients and the command line have all of them. */
export const SCOPES = ["facts:read", "facts:write", "jobs:read", "jobs:write"] as const;
export type Scope = (typeof SCOPES)[number];

export const isScope = (text: string): text is Scope => (SCOPES as readonly string[]).includes(text);

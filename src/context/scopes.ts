/** What a credential may be used for. A desktop client's pipe and the command line have all of them. */
export const SCOPES = ["facts:read", "facts:write", "jobs:read", "jobs:write"] as const;
export type Scope = (typeof SCOPES)[number];

export const isScope = (text: string): text is Scope => (SCOPES as readonly string[]).includes(text);

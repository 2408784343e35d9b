import { posix, win32 } from "node:path";
import type { FormatName } from "./format.ts";

/** How a client starts Nightshift itself. */
export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** How a client reaches a server over HTTP. */
export interface Remote {
  readonly url: string;
  readonly headers?: { readonly Authorization: string };
}

/** What a client's file says of one server. */
export type Entry = Readonly<Record<string, unknown>>;

export interface Client {
  readonly id: string;
  readonly name: string;
  readonly format: FormatName;
  /** Where its file may be, by `folders()`. The first that exists is used; otherwise the first. */
  readonly files: readonly string[];
  /** The client is installed when one of these exists. */
  readonly signs: readonly string[];
  /** The key of its file that holds the servers by their names. */
  readonly servers: string;
  stdio(launch: Launch): Entry;
  /** Absent for a client whose file takes no URL with a header: `mcp-remote` stands between. */
  http?(remote: Remote): Entry;
}

const DESCRIPTION = "Facts that are remembered, and prompts that run at their times";

/** The clients, as their own documentation describes their files. */
export const CLIENTS: readonly Client[] = [
  {
    id: "claude-desktop",
    name: "Claude Desktop",
    format: "jsonc",
    files: ["{app}/Claude/claude_desktop_config.json"],
    signs: ["{app}/Claude"],
    servers: "mcpServers",
    stdio: (launch) => ({ ...launch }),
  },
  {
    id: "claude-code",
    name: "Claude Code",
    format: "jsonc",
    files: ["{claude}/.claude.json"],
    signs: ["{claude}/.claude.json", "{home}/.claude"],
    servers: "mcpServers",
    stdio: (launch) => ({ type: "stdio", ...launch }),
    http: (remote) => ({ type: "http", ...remote }),
  },
  {
    id: "vscode",
    name: "VS Code",
    format: "jsonc",
    files: ["{app}/Code/User/mcp.json"],
    signs: ["{app}/Code/User"],
    servers: "servers",
    stdio: (launch) => ({ type: "stdio", ...launch }),
    http: (remote) => ({ type: "http", ...remote }),
  },
  {
    id: "cursor",
    name: "Cursor",
    format: "jsonc",
    files: ["{home}/.cursor/mcp.json"],
    signs: ["{home}/.cursor"],
    servers: "mcpServers",
    stdio: (launch) => ({ ...launch }),
    http: (remote) => ({ ...remote }),
  },
  {
    id: "windsurf",
    name: "Windsurf",
    format: "jsonc",
    files: ["{home}/.codeium/windsurf/mcp_config.json"],
    signs: ["{home}/.codeium/windsurf"],
    servers: "mcpServers",
    stdio: (launch) => ({ ...launch }),
    http: ({ url, ...remote }) => ({ serverUrl: url, ...remote }),
  },
  {
    id: "codex",
    name: "Codex",
    format: "toml",
    files: ["{codex}/config.toml"],
    signs: ["{codex}"],
    servers: "mcp_servers",
    // The first start by npx takes longer than the ten seconds that Codex waits by default.
    stdio: ({ env, ...launch }) => ({ ...launch, startup_timeout_sec: 60, env }),
    http: ({ url, headers }) => ({ url, ...(headers && { http_headers: headers }) }),
  },
  {
    id: "gemini",
    name: "Gemini CLI",
    format: "jsonc",
    files: ["{home}/.gemini/settings.json"],
    signs: ["{home}/.gemini"],
    servers: "mcpServers",
    stdio: (launch) => ({ ...launch }),
    http: ({ url, ...remote }) => ({ httpUrl: url, ...remote }),
  },
  {
    id: "goose",
    name: "Goose",
    format: "yaml",
    files: ["{goose}/config.yaml"],
    signs: ["{goose}"],
    servers: "extensions",
    stdio: ({ command, args, env }) => ({ ...goose("stdio"), cmd: command, args, envs: env, timeout: 300 }),
    http: ({ url, headers }) => ({
      ...goose("streamable_http"),
      uri: url,
      headers: headers ?? {},
      timeout: 300,
    }),
  },
  {
    id: "zed",
    name: "Zed",
    format: "jsonc",
    files: ["{config}/{zed}/settings.json", "{home}/.config/zed/settings.json"],
    signs: ["{config}/{zed}", "{home}/.config/zed"],
    servers: "context_servers",
    stdio: (launch) => ({ ...launch }),
    http: (remote) => ({ ...remote }),
  },
  {
    id: "lmstudio",
    name: "LM Studio",
    format: "jsonc",
    files: ["{home}/.lmstudio/mcp.json", "{home}/.cache/lm-studio/mcp.json"],
    signs: ["{home}/.lmstudio", "{home}/.cache/lm-studio"],
    servers: "mcpServers",
    stdio: (launch) => ({ ...launch }),
    http: (remote) => ({ ...remote }),
  },
];

const goose = (type: string): Entry => ({
  type,
  name: "nightshift",
  description: DESCRIPTION,
  enabled: true,
});

/** The machine that the clients are installed on. */
export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly home: string;
  /** Reads an environment variable. */
  readonly variable: (name: string) => string | undefined;
}

/** Paths of a client's files or signs on this machine. */
export function pathsOn({ platform, home, variable }: Machine, paths: readonly string[]): string[] {
  const isWindows = platform === "win32";
  const { join } = isWindows ? win32 : posix;
  const roaming = variable("APPDATA") || join(home, "AppData", "Roaming");
  const config = isWindows ? roaming : variable("XDG_CONFIG_HOME") || join(home, ".config");
  const folders: Readonly<Record<string, string>> = {
    home,
    config,
    app: platform === "darwin" ? join(home, "Library", "Application Support") : config,
    claude: variable("CLAUDE_CONFIG_DIR") || home,
    codex: variable("CODEX_HOME") || join(home, ".codex"),
    goose: isWindows ? join(config, "Block", "goose", "config") : join(config, "goose"),
    zed: isWindows ? "Zed" : "zed",
  };
  return paths.map((path) => join(path.replaceAll(/\{(\w+)\}/g, (_all, name) => String(folders[name]))));
}

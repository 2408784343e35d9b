/** Files as each client writes them, or as its users do: with other servers, comments and settings. */
export const FILES: Readonly<Record<string, string>> = {
  "claude-desktop": `{
  "mcpServers": {
    "filesystem": {
      "command": "npx",
      "args": ["-y", "@modelcontextprotocol/server-filesystem", "/Users/me/Desktop"]
    }
  },
  "globalShortcut": "Ctrl+Space"
}
`,
  "claude-code": `{
  "numStartups": 184,
  "tipsHistory": { "new-user-warmup": 3, "ide-hotkey": 12 },
  "projects": {
    "/home/me/app": {
      "allowedTools": [],
      "mcpServers": { "nightshift": { "type": "stdio", "command": "other", "args": [], "env": {} } }
    }
  },
  "mcpServers": {
    "github": {
      "type": "http",
      "url": "https://example.com/mcp",
      "headers": { "Authorization": "Bearer theirs" }
    }
  },
  "hasCompletedOnboarding": true
}`,
  vscode: `{
\t"servers": {
\t\t// Looks after the browser.
\t\t"playwright": {
\t\t\t"type": "stdio",
\t\t\t"command": "npx",
\t\t\t"args": ["@playwright/mcp@latest"], // the newest
\t\t}, // end of playwright
\t\t/* more to come */
\t},
\t"inputs": [
\t\t{ "id": "token", "type": "promptString", "password": true }
\t]
}
`,
  cursor: `{
    "mcpServers": {
        "linear": { "url": "https://example.com/sse" } // no comma here
    }
}
`,
  windsurf: `{
  "mcpServers": {
    "zapier": { "serverUrl": "https://example.com/mcp", "disabled": true, "disabledTools": ["a"] }
  }
}
`,
  codex: `model = "gpt-5-codex"   # the one for code
model_reasoning_effort = "high"

[projects."/home/me/app"]
trust_level = "trusted"

# Documentation
[mcp_servers.docs]
url = "https://example.com/mcp"
bearer_token_env_var = "DOCS_TOKEN"

[mcp_servers.context]
command = "npx"
args = ["-y", "context"]   # as they say

[mcp_servers.context.env]
KEY = 'literal'

[tui]
notifications = true
since = 2026-01-02
`,
  gemini: `{
  "security": { "auth": { "selectedType": "gemini-api-key" } },
  // A comment, which Gemini CLI takes.
  "mcpServers": {
    "git": { "command": "uvx", "args": ["mcp-server-git"], "trust": false }
  },
  "ui": { "theme": "Dracula" }
}
`,
  goose: `# My goose
GOOSE_PROVIDER:   "anthropic"   # the best
GOOSE_MODEL: 'claude'

extensions:
    developer:
        bundled: true
        enabled: true
        name: developer
        args: [a,   b]
        type: builtin


    # Only at work
    notes: {type: builtin,   name: notes}

GOOSE_SEARCH_PATHS:
- /opt/bin
-   "~/tools"
instructions: >
    Fold this line,
    and this one.
`,
  zed: `// Zed settings
//
// For information on how to configure Zed, see the documentation.
{
  "agent": {
    "default_profile": "write",
  },
  "buffer_font_size": 15, // for my eyes
  "theme": { "mode": "system", "light": "One Light", "dark": "One Dark" },
}
`,
  lmstudio: `{
  "mcpServers": {}
}
`,
};

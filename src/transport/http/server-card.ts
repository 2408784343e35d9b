import type { IncomingMessage, RequestListener } from "node:http";
import { SUPPORTED_PROTOCOL_VERSIONS } from "@modelcontextprotocol/server";
import { REGISTRY_NAME, SERVER_INFO } from "../../connection/server-info.ts";
import { sendWhole } from "./responses.ts";

/** Where the extension of 2026 reserves the card's place, and where clients of its drafts look for it. */
export const CARD_PATHS = ["/mcp/server-card", "/.well-known/mcp/server-card.json"];

/**
 * Shows what this server is and where it is, before a client connects: an MCP server card (SEP-2127). It has nothing of
 * a user, so it asks for no key.
 */
export const showServerCard =
  (baseUrl: (req: IncomingMessage) => string, { sse }: { sse: boolean }): RequestListener =>
  (req, res) => {
    const headers = [
      {
        name: "Authorization",
        description: "Bearer and a key, where the server asks for one",
        isSecret: true,
      },
    ];
    const { name: _name, ...info } = SERVER_INFO;
    const card = {
      $schema: "https://static.modelcontextprotocol.io/schemas/v1/server-card.schema.json",
      name: REGISTRY_NAME,
      ...info,
      remotes: [
        {
          type: "streamable-http",
          url: `${baseUrl(req)}/mcp`,
          supportedProtocolVersions: ["2026-07-28", ...SUPPORTED_PROTOCOL_VERSIONS],
          headers,
        },
        ...(sse ? [{ type: "sse", url: `${baseUrl(req)}/sse`, headers }] : []),
      ],
    };
    const shown = {
      "content-type": "application/mcp-server-card+json",
      "access-control-allow-origin": "*",
      "cache-control": "public, max-age=3600",
    };
    sendWhole(res, 200, shown, JSON.stringify(card));
  };

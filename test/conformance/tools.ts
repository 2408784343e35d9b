import { setTimeout as sleep } from "node:timers/promises";
import { type CallToolResult, fromJsonSchema, type McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";

/** A PNG of one pixel. */
export const IMAGE =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
/** A WAV file without a sample. */
const AUDIO = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=";

const nothing = z.object({});
export const say = (text: string): CallToolResult => ({ content: [{ type: "text", text }] });

export function registerTools(server: McpServer): void {
  registerContent(server);
  registerTelling(server);
  registerChanging(server);
  registerSchemas(server);
}

function registerContent(server: McpServer): void {
  const answers: Record<string, CallToolResult["content"]> = {
    test_simple_text: [{ type: "text", text: "This is a simple text response for testing." }],
    test_image_content: [{ type: "image", data: IMAGE, mimeType: "image/png" }],
    test_audio_content: [{ type: "audio", data: AUDIO, mimeType: "audio/wav" }],
    test_embedded_resource: [
      {
        type: "resource",
        resource: { uri: "test://embedded-resource", mimeType: "text/plain", text: "An embedded resource." },
      },
    ],
    test_multiple_content_types: [
      { type: "text", text: "Multiple content types test:" },
      { type: "image", data: IMAGE, mimeType: "image/png" },
      {
        type: "resource",
        resource: {
          uri: "test://mixed-content-resource",
          mimeType: "application/json",
          text: JSON.stringify({ test: "data", value: 123 }),
        },
      },
    ],
  };
  for (const [name, content] of Object.entries(answers))
    server.registerTool(name, { description: `Returns ${name}` }, () => ({ content }));
  server.registerTool("test_error_handling", { description: "Fails" }, () => {
    throw new Error("This tool intentionally returns an error for testing");
  });
}

/** Tools that log or report progress before they return. */
function registerTelling(server: McpServer): void {
  server.registerTool(
    "test_tool_with_logging",
    { description: "Logs three times", inputSchema: nothing },
    async (_args, { mcpReq }) => {
      for (const data of ["Tool execution started", "Tool processing data", "Tool execution completed"]) {
        await mcpReq.notify({ method: "notifications/message", params: { level: "info", data } });
        await sleep(20);
      }
      return say("Logged.");
    },
  );
  server.registerTool(
    "test_logging_tool",
    { description: "Logs to those who asked for it", inputSchema: nothing },
    async (_args, { mcpReq }) => {
      await mcpReq.log("info", "only where the request has a logLevel");
      return say("Logged.");
    },
  );
  server.registerTool(
    "test_tool_with_progress",
    { description: "Tells its progress", inputSchema: nothing },
    async (_args, { mcpReq }) => {
      const progressToken = mcpReq._meta?.progressToken;
      for (const progress of progressToken === undefined ? [] : [0, 50, 100]) {
        const params = { progressToken, progress, total: 100, message: `Completed ${progress} of 100` };
        await mcpReq.notify({ method: "notifications/progress", params } as never);
        await sleep(20);
      }
      return say(String(progressToken ?? "nobody asked"));
    },
  );
  server.registerTool(
    "test_streaming_elicitation",
    { description: "Returns a result without asking anything", inputSchema: nothing },
    () => say("Nothing was asked."),
  );
  server.registerTool(
    "test_reconnection",
    { description: "Drops its stream before it answers", inputSchema: nothing },
    async (_args, { http }) => {
      http?.closeSSE?.();
      await sleep(100);
      return say("Answered after the stream was dropped.");
    },
  );
}

/** Tools that report a changed list through the server, as the SDK's guides do. */
function registerChanging(server: McpServer): void {
  const change = (name: string, tell: () => void) =>
    server.registerTool(name, { description: "Says that a list has changed", inputSchema: nothing }, () => {
      tell();
      return say("Told.");
    });
  change("test_trigger_tool_change", () => server.sendToolListChanged());
  change("test_trigger_prompt_change", () => server.sendPromptListChanged());
  change("test_trigger_resource_update", () => {
    void server.server.sendResourceUpdated({ uri: "test://watched-resource" });
  });
}

/** Schemas that must arrive as they were written. */
function registerSchemas(server: McpServer): void {
  const inputSchema = fromJsonSchema({
    $schema: "https://json-schema.org/draft/2020-12/schema",
    type: "object",
    $defs: {
      address: {
        $anchor: "addressDef",
        type: "object",
        properties: { street: { type: "string" }, city: { type: "string" } },
      },
    },
    properties: {
      name: { type: "string" },
      address: { $ref: "#/$defs/address" },
      contactMethod: { type: "string", enum: ["phone", "email"] },
      phone: { type: "string" },
      email: { type: "string" },
    },
    allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
    if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
    // biome-ignore lint/suspicious/noThenProperty: JSON Schema's own word
    then: { required: ["phone"] },
    else: { required: ["email"] },
    additionalProperties: false,
  });
  server.registerTool(
    "json_schema_2020_12_tool",
    { description: "JSON Schema 2020-12", inputSchema },
    (args) => say(JSON.stringify(args)),
  );
  const region = { type: "string", "x-mcp-header": "Region" };
  const properties = { region, level: { type: "integer" } };
  const mirrored = fromJsonSchema<{ region?: string }>({ type: "object", properties } as never);
  server.registerTool("test_x_mcp_header", { description: "Mirrored", inputSchema: mirrored }, ({ region }) =>
    say(`region=${region ?? "none"}`),
  );
}

import type { CallToolResult, McpServer, ServerContext } from "@modelcontextprotocol/server";
import { z } from "zod";
import { say } from "./tools.ts";

/** Tools that ask in the 2025 era: the server sends its client a request in the middle of a call. */
export function registerQuestions(server: McpServer): void {
  server.registerTool(
    "test_sampling",
    { description: "Asks the client's model", inputSchema: z.object({ prompt: z.string() }) },
    async ({ prompt }, { mcpReq }) => {
      const message = { role: "user" as const, content: { type: "text" as const, text: prompt } };
      const { content } = await mcpReq.requestSampling({ messages: [message], maxTokens: 100 });
      return say(`LLM response: ${JSON.stringify(content)}`);
    },
  );
  server.registerTool(
    "test_elicitation",
    { description: "Asks the user", inputSchema: z.object({ message: z.string() }) },
    ({ message }, context) =>
      elicit(context, message, {
        properties: { response: { type: "string", description: "User's response" } },
        required: ["response"],
      }),
  );
  server.registerTool(
    "test_elicitation_sep1034_defaults",
    { description: "Asks with defaults of every kind", inputSchema: z.object({}) },
    (_args, context) =>
      elicit(context, "Review these", {
        properties: {
          name: { type: "string", default: "John Doe" },
          age: { type: "integer", default: 30 },
          score: { type: "number", default: 95.5 },
          status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
          verified: { type: "boolean", default: true },
        },
      }),
  );
  server.registerTool(
    "test_elicitation_sep1330_enums",
    { description: "Asks with every kind of choice", inputSchema: z.object({}) },
    (_args, context) => elicit(context, "Choose", { properties: CHOICES }),
  );
}

const options = ["option1", "option2", "option3"];
const titled = [1, 2, 3].map((n) => ({ const: `value${n}`, title: `Choice ${n}` }));
const CHOICES = {
  untitledSingle: { type: "string", enum: options },
  titledSingle: { type: "string", oneOf: titled },
  legacyEnum: { type: "string", enum: ["opt1", "opt2", "opt3"], enumNames: ["One", "Two", "Three"] },
  untitledMulti: { type: "array", minItems: 1, maxItems: 3, items: { type: "string", enum: options } },
  titledMulti: { type: "array", minItems: 1, maxItems: 3, items: { anyOf: titled } },
};

async function elicit(
  { mcpReq }: ServerContext,
  message: string,
  schema: { properties: object; required?: string[] },
): Promise<CallToolResult> {
  const requestedSchema = { type: "object", ...schema };
  const { action, content } = await mcpReq.elicitInput({ message, requestedSchema } as never);
  return say(`action=${action}, content=${JSON.stringify(content ?? {})}`);
}

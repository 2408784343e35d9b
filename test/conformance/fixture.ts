// Tools, resources and prompts that the conformance scenarios expect, loaded as a user's are: `--tools fixture.ts`.
import type { McpServer } from "@modelcontextprotocol/server";
import type { ConnectionContext } from "../../src/tools/modules.ts";
import { registerPrompts, registerResources } from "./material.ts";
import { registerQuestions } from "./questions.ts";
import { registerRounds } from "./rounds.ts";
import { registerTools } from "./tools.ts";

export function register(server: McpServer, context: ConnectionContext): void {
  registerTools(server);
  registerQuestions(server);
  registerRounds(server, context);
  registerResources(server);
  registerPrompts(server);
}

// Tools, resources and prompts that the conformance scenarios expect, loaded as a user's are: `--tools fixture.ts`.
import type { McpServer } from "@modelcontextprotocol/server";
import type { ConnectionContext } from "../../src/tools/modules.ts";
import { registerInputRequired } from "./input-required.ts";
import { registerQuestions } from "./questions.ts";
import { registerPrompts, registerResources } from "./resources-and-prompts.ts";
import { registerTools } from "./tools.ts";

export function register(server: McpServer, context: ConnectionContext): void {
  registerTools(server);
  registerQuestions(server);
  registerInputRequired(server, context);
  registerResources(server);
  registerPrompts(server);
}

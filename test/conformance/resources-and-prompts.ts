import { completable, type McpServer, ResourceTemplate } from "@modelcontextprotocol/server";
import { z } from "zod";
import { IMAGE } from "./tools.ts";

export function registerResources(server: McpServer): void {
  const text = (name: string, said: string) =>
    server.registerResource(name, `test://${name}`, { mimeType: "text/plain" }, ({ href }) => ({
      contents: [{ uri: href, mimeType: "text/plain", text: said }],
    }));
  text("static-text", "This is the content of the static text resource.");
  text("watched-resource", "Watched resource content");
  server.registerResource("static-binary", "test://static-binary", { mimeType: "image/png" }, ({ href }) => ({
    contents: [{ uri: href, mimeType: "image/png", blob: IMAGE }],
  }));
  server.registerResource(
    "template",
    new ResourceTemplate("test://template/{id}/data", { list: undefined }),
    { mimeType: "application/json" },
    ({ href }, { id }) => {
      const data = { id, templateTest: true, data: `Data for ID: ${String(id)}` };
      return { contents: [{ uri: href, mimeType: "application/json", text: JSON.stringify(data) }] };
    },
  );
}

export function registerPrompts(server: McpServer): void {
  const say = (text: string) => ({ role: "user" as const, content: { type: "text" as const, text } });
  server.registerPrompt("test_simple_prompt", { description: "Without arguments" }, () => ({
    messages: [say("This is a simple prompt for testing.")],
  }));
  const arg1 = completable(z.string().describe("First test argument"), (typed) =>
    ["testing", "tested", "other"].filter((word) => word.startsWith(typed)),
  );
  server.registerPrompt(
    "test_prompt_with_arguments",
    { description: "With arguments", argsSchema: z.object({ arg1, arg2: z.string() }) },
    ({ arg1, arg2 }) => ({ messages: [say(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)] }),
  );
  server.registerPrompt(
    "test_prompt_with_embedded_resource",
    { description: "With a resource in it", argsSchema: z.object({ resourceUri: z.string() }) },
    ({ resourceUri: uri }) => {
      const resource = { uri, mimeType: "text/plain", text: "Embedded resource content for testing." };
      return { messages: [{ role: "user", content: { type: "resource", resource } }, say("Process it.")] };
    },
  );
  server.registerPrompt("test_prompt_with_image", { description: "With an image in it" }, () => ({
    messages: [
      { role: "user", content: { type: "image", data: IMAGE, mimeType: "image/png" } },
      say("Analyze it."),
    ],
  }));
}

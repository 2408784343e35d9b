// Another MCP server, in the SDK of 2025, whose tools a ghost may be granted.
import { spawn } from "node:child_process";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { z } from "zod";

const text = (said: string) => ({ content: [{ type: "text" as const, text: said }] });
const server = new McpServer({ name: "other", version: "1" });

server.registerTool(
  "echo",
  { description: "says it again", inputSchema: { text: z.string(), times: z.number().int().optional() } },
  ({ text: said, times = 1 }) => text(said.repeat(times)),
);
server.registerTool("environment", { description: "names its environment" }, () =>
  text(JSON.stringify(process.env)),
);
server.registerTool("where", { description: "says where it runs" }, () =>
  text(JSON.stringify({ pid: process.pid, cwd: process.cwd(), args: process.argv.slice(2) })),
);
server.registerTool("fail", { description: "fails" }, () => {
  throw new Error("the kettle is empty");
});
server.registerTool("slow", { description: "never answers" }, () => new Promise(() => {}));
server.registerTool("leave", { description: "ends the server" }, () => process.exit(3));
server.registerTool("big", { description: "says a lot" }, () => text("x".repeat(300_000)));
server.registerTool("nothing", { description: "says nothing" }, () => text(""));
server.registerTool("helper", { description: "starts a process of its own" }, () => {
  const child = spawn("sleep", ["600"], { stdio: "ignore" });
  return text(String(child.pid));
});
server.registerTool("a".repeat(64), { description: "has too long a name" }, () => text(""));

process.stdout.write("a greeting that is no message\n");
if (process.argv.includes("--stubborn")) {
  process.on("SIGTERM", () => {});
  setInterval(() => {}, 1_000);
}
await server.connect(new StdioServerTransport());

// The floor of an HTTP call: node:http, one hash, and JSON in and out. No protocol, no identity, no storage.
import { hash } from "node:crypto";
import { createServer } from "node:http";

const TOOLS = Array.from({ length: 12 }, (_, i) => ({ name: `tool_${i}`, inputSchema: { type: "object" } }));

createServer((req, res) => {
  const chunks: Buffer[] = [];
  req.on("data", (chunk: Buffer) => chunks.push(chunk));
  req.on("end", () => {
    const text = Buffer.concat(chunks).toString();
    if (!text) return res.end();
    const { id, method } = JSON.parse(text) as { id: unknown; method: string };
    // As long as what whoami answers.
    const key = hash("sha256", req.headers.authorization ?? "");
    const structuredContent = { user: key, session: key, thread: key, run: key, registry: key, name: key };
    const called = { content: [{ type: "text", text: "hi" }], structuredContent };
    const body = JSON.stringify({
      jsonrpc: "2.0",
      id,
      result: method === "tools/list" ? { tools: TOOLS } : called,
    });
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    res.writeHead(200, headers).end(body);
  });
}).listen(Number(process.argv[2]), "127.0.0.1");

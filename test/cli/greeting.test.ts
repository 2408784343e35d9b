import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { start } from "../child-process.ts";
import { CLI, tempDir } from "../harness.ts";

const hasTerminal = spawnSync("script", ["--version"]).status === 0;

/** Starts `serve` on a terminal of its own. Resolves to the greeting. */
async function greeting(data: string): Promise<string> {
  const command = `exec ${process.execPath} ${CLI} serve --port 0 --user alice --data ${data}`;
  const child = start(["-qec", command, "/dev/null"], {
    command: "script",
    env: { NO_COLOR: "1", HOME: data, SHELL: "/bin/sh" },
  });
  await child.until(() => /Ctrl\+C/.exec(child.stdout())?.[0]);
  child.write("\u0003");
  expect(await child.exited).toMatchObject({ code: 0 });
  return child.stdout().replaceAll("\r", "");
}

it.skipIf(!hasTerminal)(
  "serve greets a person with its URL, the keys and a line to paste (skipped without `script`)",
  async () => {
    const data = await tempDir();
    const shown = await greeting(data);
    const url = /serves MCP at (http:\/\/127\.0\.0\.1:\d+\/mcp)\n/.exec(shown)?.[1];
    expect(shown).toContain("No key is needed: every program on this machine is alice.\n");
    expect(shown).toContain(`nightshift install --http ${url}\n`);
    const pasted = JSON.parse(/To paste into a client: (.*)\n/.exec(shown)?.[1] ?? "");
    expect(pasted).toEqual({ mcpServers: { nightshift: { url } } });
    expect(shown).not.toContain('"msg":"listening');
    const made = start([CLI, "keys", "create", "--user", "alice", "--data", data]);
    await made.exited;
    const again = await greeting(data);
    expect(again).toContain("Each client needs a key: nightshift keys create --user alice\n");
    expect(again).toContain('"headers":{"Authorization":"Bearer <key>"}');
    expect(again).toContain("--key-file <file>\n");
  },
  60_000,
);

it("serve writes lines of JSON alone where there is no terminal", async () => {
  const child = start([CLI, "serve", "--port", "0", "--user", "alice", "--data", await tempDir()]);
  await child.until(() => /listening/.exec(child.stderr())?.[0]);
  child.kill("SIGTERM");
  await child.exited;
  expect(child.stdout()).toBe("");
  for (const line of child.stderr().trim().split("\n")) expect(JSON.parse(line)).toHaveProperty("msg");
});

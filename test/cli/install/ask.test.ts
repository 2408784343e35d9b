import { spawnSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { start } from "../../child-process.ts";
import { CLI, tempDir } from "../../harness.ts";

const hasTerminal = spawnSync("script", ["--version"]).status === 0;

/** Runs `install cursor` on a terminal of its own, and types `answer` when it asks. */
async function installAndType(home: string, answer: string) {
  const child = start(["-qec", `exec ${process.execPath} ${CLI} install cursor`, "/dev/null"], {
    command: "script",
    env: { HOME: home, NO_COLOR: "1", SHELL: "/bin/sh" },
  });
  await child.until(() => /Write these changes\?/.exec(child.stdout())?.[0]);
  child.write(`${answer}\r`);
  const { code } = await child.exited;
  return { code, shown: child.stdout().replaceAll("\r", "") };
}

it.skipIf(!hasTerminal)(
  "asks a person at a terminal, after it has shown the changes (skipped without `script`)",
  async () => {
    const home = await tempDir();
    const file = join(home, ".cursor/mcp.json");
    const refused = await installAndType(home, "n");
    expect(refused.code).toBe(0);
    expect(refused.shown).toMatch(
      /\+ .*"nightshift": \{[\s\S]*Write these changes\?[\s\S]*Nothing was written\./,
    );
    expect(await readFile(file).catch(({ code }) => code)).toBe("ENOENT");
    const agreed = await installAndType(home, "y");
    expect(agreed.shown).toMatch(/added +Cursor/);
    const text = await readFile(file, "utf8");
    expect(JSON.parse(text).mcpServers.nightshift.args).toContain("stdio");
    // Another program writes while the question stands: its text is not lost.
    await writeFile(file, text.replace('"stdio"', '"other"'));
    const late = start(["-qec", `exec ${process.execPath} ${CLI} install cursor`, "/dev/null"], {
      command: "script",
      env: { HOME: home, NO_COLOR: "1", SHELL: "/bin/sh" },
    });
    await late.until(() => /Write these changes\?/.exec(late.stdout())?.[0]);
    await writeFile(file, '{ "mcpServers": {} }');
    late.write("y\r");
    expect(await late.exited).toMatchObject({ code: 1 });
    expect(late.stdout()).toMatch(/another program changed it meanwhile/);
    expect(await readFile(file, "utf8")).toBe('{ "mcpServers": {} }');
  },
  60_000,
);

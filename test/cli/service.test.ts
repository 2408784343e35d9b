import { spawnSync } from "node:child_process";
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { XMLParser, XMLValidator } from "fast-xml-parser";
import { describe, expect, it } from "vitest";
import { managerOf } from "../../src/cli/service/definitions.ts";
import { cli, start } from "../child-process.ts";
import { eventually, tempDir } from "../harness.ts";

const UNUSUAL = {
  argv: ["/bin/echo", "a b", 'q"uote', "per%cent", "do$llar", "back\\slash", "<&>"],
  logFile: "/l&g",
};
const UNIT = ".config/systemd/user/nightshift.service";
const verifier = spawnSync("systemd-analyze", ["--version"]).status === 0;

/** A home with a `systemctl` that writes its arguments down: no systemd runs where the tests do. */
async function homeWithSystemctl() {
  const home = await tempDir();
  await mkdir(join(home, "bin"));
  const calls = join(home, "calls.txt");
  await writeFile(join(home, "bin/systemctl"), `#!/bin/sh\necho "$@" >> '${calls}'\n`);
  await chmod(join(home, "bin/systemctl"), 0o755);
  const env = { HOME: home, PATH: `${join(home, "bin")}:${process.env.PATH}` };
  const service = (args: readonly string[], more: Record<string, string> = {}) =>
    cli(["service", ...args, "--data", join(home, "night")], { env: { ...env, ...more } });
  return { home, service, calls: () => readFile(calls, "utf8") };
}

/** The words of a unit's ExecStart line, as systemd reads them. */
const wordsOf = (unit: string): string[] =>
  [...(/^ExecStart=(.*)$/m.exec(unit)?.[1] ?? "").matchAll(/"((?:\\.|[^"\\])*)"/g)].map(([, word = ""]) =>
    word.replaceAll(/\\(.)/g, "$1").replaceAll("%%", "%").replaceAll("$$", "$"),
  );

describe("nightshift service on Linux", () => {
  it.skipIf(!verifier)(
    "writes a unit that systemd-analyze finds good (skipped where there is none)",
    async () => {
      const dir = await tempDir();
      const file = join(dir, "nightshift.service");
      const verify = () =>
        spawnSync("systemd-analyze", ["--user", "verify", file], {
          encoding: "utf8",
          env: { ...process.env, XDG_RUNTIME_DIR: dir },
        });
      await writeFile(file, managerOf("linux").define(UNUSUAL));
      expect(verify()).toMatchObject({ status: 0, stdout: "", stderr: "" });
      expect(wordsOf(await readFile(file, "utf8"))).toEqual(UNUSUAL.argv);
      await writeFile(file, managerOf("linux").define({ ...UNUSUAL, argv: ["/not/there"] }));
      expect(verify().status).not.toBe(0);
    },
  );

  it("installs a unit whose command serves with the settings that it was given", async () => {
    const { home, service, calls } = await homeWithSystemctl();
    const secret = "sk-'very\"-secret";
    const env = { NIGHTSHIFT_MODEL: "openai:x", NIGHTSHIFT_MODEL_API_KEY: secret, NIGHTSHIFT_PORT: "1" };
    const { code, stderr } = await service(["install", "--port", "0", "--user", "bob"], env);
    expect([code, stderr]).toEqual([0, ""]);
    expect(await calls()).toBe("--user daemon-reload\n--user enable nightshift\n--user restart nightshift\n");
    const unit = await readFile(join(home, UNIT), "utf8");
    expect(unit).not.toContain(secret);
    expect((await stat(join(home, "night/service.env"))).mode & 0o777).toBe(0o600);
    // What the system would start.
    const [command = "", ...args] = wordsOf(unit);
    const child = start(args, { command, env: { HOME: home } });
    const running = await eventually(async () => {
      const { stdout } = await service(["status", "--json"]);
      return JSON.parse(stdout).running && stdout;
    }, 30_000);
    expect(JSON.parse(running || "")).toMatchObject({ installed: true, running: true, pid: child.pid });
    expect(child.stderr()).toMatch(
      /"msg":"listening without authentication, on loopback: every local program is bob"/,
    );
    child.kill("SIGTERM");
    expect(await child.exited).toMatchObject({ code: 0 });
    // Once more, with two settings: the others stay, and a path is whole, because the service starts elsewhere.
    await service(["install", "--user", "carol"], { NIGHTSHIFT_JOBS_DIR: "jobs" });
    const settings = await readFile(join(home, "night/service.env"), "utf8");
    expect(settings.trim().split("\n").sort()).toEqual([
      `NIGHTSHIFT_JOBS_DIR='${resolve("jobs")}'`,
      "NIGHTSHIFT_MODEL='openai:x'",
      `NIGHTSHIFT_MODEL_API_KEY=\`${secret}\``,
      "NIGHTSHIFT_PORT='0'",
      "NIGHTSHIFT_USER='carol'",
    ]);
    await writeFile(join(home, "bin/journalctl"), '#!/bin/sh\necho "asked for $3"\n', { mode: 0o755 });
    expect((await service(["logs"])).stdout).toBe("asked for nightshift\n");
    expect(await service(["remove"])).toMatchObject({ code: 0, stderr: "" });
    expect(await calls()).toMatch(/--user disable --now nightshift\n$/);
    for (const file of [UNIT, "night/service.env"])
      expect(await stat(join(home, file)).catch(({ code }) => code)).toBe("ENOENT");
    expect((await service(["status"])).stdout).toMatch(/^Not installed.*\nNo server runs/);
  }, 60_000);

  it("says what the system's tool says when it refuses, and changes nothing in a dry run", async () => {
    const { home, service } = await homeWithSystemctl();
    expect((await service(["install", "--dry-run"])).stdout).toContain('"serve" "--data"');
    expect(await stat(join(home, UNIT)).catch(({ code }) => code)).toBe("ENOENT");
    await writeFile(join(home, "bin/systemctl"), "#!/bin/sh\necho 'no bus here' >&2\nexit 1\n");
    const { code, stderr } = await service(["install"]);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/is written to .* systemctl --user daemon-reload: no bus here/),
    ]);
  });
});

describe("the definition for other systems, which could not be tried on them", () => {
  const parser = new XMLParser({ ignoreAttributes: false, trimValues: false, processEntities: true });
  const parse = (xml: string) => {
    expect(XMLValidator.validate(xml)).toBe(true);
    return parser.parse(xml);
  };

  it("is a property list with the arguments as they are, for launchd", () => {
    const { plist } = parse(String(managerOf("darwin").define(UNUSUAL)));
    expect(plist.dict.array.string).toEqual(UNUSUAL.argv);
    expect(plist.dict.key).toEqual(
      expect.arrayContaining(["Label", "ProgramArguments", "RunAtLoad", "KeepAlive"]),
    );
    expect(plist.dict.string).toEqual(["org.nightshift.serve", "/l&g", "/l&g"]);
  });

  it("is a task in the order of its schema, in UTF-16, for Windows", () => {
    const command = {
      argv: ["C:\\Program Files\\node.exe", "a & b", "<c>"],
      logFile: "C:\\night\\service.log",
    };
    const bytes = managerOf("win32").define(command);
    const text = new TextDecoder("utf-16le").decode(bytes as Uint8Array);
    expect(Buffer.from(bytes as Uint8Array).subarray(0, 2)).toEqual(Buffer.from([0xff, 0xfe]));
    const { Task } = parse(text);
    const parts = Object.keys(Task).filter((name) => /^[A-Z]/.test(name));
    expect(parts).toEqual(["RegistrationInfo", "Triggers", "Principals", "Settings", "Actions"]);
    expect(Task.Actions.Exec).toMatchObject({
      Command: "conhost.exe",
      Arguments:
        '--headless cmd.exe /d /s /c ""C:\\Program Files\\node.exe" "a & b" "<c>" >> "C:\\night\\service.log" 2>&1"',
    });
  });

  it("is refused where an argument cannot be written", () => {
    const refused = (platform: NodeJS.Platform, arg: string) => () =>
      managerOf(platform).define({ argv: ["node", arg], logFile: "log" });
    for (const platform of ["linux", "darwin", "win32"] as const)
      expect(refused(platform, "a\nExecStop=b")).toThrow(/control character/);
    expect(refused("win32", "%PATH%")).toThrow(/one of/);
    expect(() => managerOf("aix")).toThrow(/knows no service manager for aix/);
  });
});

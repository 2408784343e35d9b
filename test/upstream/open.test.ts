// Imported for its side effect, which opens stdin: the checks for leaks must not count that.
import "@modelcontextprotocol/server";
import { homedir } from "node:os";
import { describe, expect, it, onTestFinished } from "vitest";
import type { UpstreamConfig } from "../../src/upstream/config.ts";
import { openUpstreams } from "../../src/upstream/open.ts";
import { eventually } from "../harness.ts";
import { listen, overHttp, overStdio, startHttp } from "./servers.ts";

const NEVER = new AbortController().signal;

function open(config: UpstreamConfig, grants: readonly string[], connectMs = 15_000) {
  const logged: object[] = [];
  const log = {
    debug: (fields: object) => void logged.push(fields),
    warn: (fields: object) => void logged.push(fields),
  };
  const upstreams = openUpstreams(config, { grants, userKey: "a".repeat(64), log, connectMs });
  onTestFinished(upstreams.close);
  const call = (tool: string, args = {}) => upstreams.call(tool, args, NEVER);
  return {
    ...upstreams,
    callAs: upstreams.call,
    call,
    logged,
    names: async () => (await upstreams.list(NEVER)).tools.map(({ name }) => name),
  };
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};
const gone = (pid: number) => eventually(async () => !isAlive(pid), 15_000);

describe("an upstream server over stdio", () => {
  it("lists what was granted, and calls it", async () => {
    const upstreams = open([overStdio("other")], ["other__echo", "other__fail"]);
    const { tools } = await upstreams.list(NEVER);
    expect(tools.map(({ name }) => name)).toEqual(["other__echo", "other__fail"]);
    expect(tools[0]).toMatchObject({
      description: "says it again",
      inputSchema: { type: "object", required: ["text"] },
    });
    expect(await upstreams.call("other__echo", { text: "tea", times: 2 })).toEqual({
      text: "teatea",
      isError: false,
    });
    expect(await upstreams.call("other__fail")).toMatchObject({ isError: true, text: "the kettle is empty" });
  });

  it("refuses what was not granted, is not there, or is another server's", async () => {
    const upstreams = open([overStdio("other")], ["other__echo", "other__gone"]);
    for (const tool of ["other__environment", "other__gone", "elsewhere__echo", "echo"])
      await expect(upstreams.call(tool)).rejects.toMatchObject({ code: "TOOL_DENIED" });
  });

  it("gets the configured environment with PATH and HOME, and nothing else of this process", async () => {
    const upstreams = open([overStdio("other")], ["other__*"]);
    const env = JSON.parse((await upstreams.call("other__environment")).text);
    expect(env).toEqual({ MARK: "given", PATH: process.env.PATH, HOME: homedir() });
  });

  it("leaves out a tool whose name no model takes, and says so", async () => {
    const { tools, notes } = await open([overStdio("other")], ["other__*"]).list(NEVER);
    expect(tools).toHaveLength(9);
    expect(notes).toEqual([expect.stringMatching(/^Left out of other, .*: other__aaaa/)]);
  });

  it("is cut short when it says too much", async () => {
    const { text } = await open([overStdio("other")], ["other__big"]).call("other__big");
    expect(text.length).toBeLessThan(201_000);
    expect(text).toMatch(/\[cut: 300000 characters in all\]$/);
  });

  it("that ends in the middle of a call is an answer, and later calls are, too", async () => {
    const upstreams = open([overStdio("other")], ["other__*"]);
    expect(await upstreams.call("other__leave")).toMatchObject({ isError: true });
    expect(await upstreams.call("other__echo", { text: "x" })).toMatchObject({ isError: true });
  });

  it("stops being waited for when the caller goes, and when all is closed", async () => {
    const upstreams = open([overStdio("other")], ["other__slow"]);
    await upstreams.list(NEVER);
    const caller = new AbortController();
    const waiting = upstreams.callAs("other__slow", {}, caller.signal);
    const answer = upstreams.call("other__slow");
    caller.abort(new Error("gone"));
    await expect(waiting).rejects.toThrow("gone");
    await upstreams.close();
    expect(await answer).toMatchObject({ isError: true });
  });
});

describe("closing", () => {
  it("ends the process of a server and what it started itself", async () => {
    const upstreams = open([overStdio("other")], ["other__*"]);
    const { pid } = JSON.parse((await upstreams.call("other__where")).text);
    const helper = Number((await upstreams.call("other__helper")).text);
    expect([isAlive(pid), isAlive(helper)]).toEqual([true, true]);
    await upstreams.close();
    await gone(pid);
    await gone(helper);
  });

  it("ends a server that ignores the end of its input and SIGTERM", async () => {
    const upstreams = open([overStdio("other", "--stubborn")], ["other__where"]);
    const { pid } = JSON.parse((await upstreams.call("other__where")).text);
    await upstreams.close();
    await gone(pid);
  });

  it("gives each run a server of its own", async () => {
    const pids = await Promise.all(
      [1, 2].map(
        async () =>
          JSON.parse((await open([overStdio("other")], ["other__where"]).call("other__where")).text).pid,
      ),
    );
    expect(new Set(pids).size).toBe(2);
  });
});

describe("an upstream server over HTTP", () => {
  it.each(["stateless", "reject"] as const)("is reached with its headers (2025 era: %s)", async (legacy) => {
    const web = await startHttp({ legacy });
    const upstreams = open([overHttp("web", web.url, { Authorization: "Bearer of-the-test" })], ["web__*"]);
    expect(await upstreams.names()).toEqual(["web__add"]);
    expect(await upstreams.call("web__add", { a: 2, b: 3 })).toEqual({
      text: "5",
      structured: { sum: 5 },
      isError: false,
    });
    expect(web.seen.every(({ authorization }) => authorization === "Bearer of-the-test")).toBe(true);
  });

  it("that redirects is not followed: its headers are that address's secret", async () => {
    const target = await startHttp({ legacy: "stateless" });
    const web = await listen(
      (_request, response) => void response.writeHead(307, { location: target.url }).end(),
    );
    const { tools, notes } = await open([overHttp("web", web.url, { "X-Key": "k" })], ["web__*"]).list(NEVER);
    expect([tools, notes.length]).toEqual([[], 1]);
    expect(target.seen).toEqual([]);
  });
});

describe("a server that is not there", () => {
  it("does not delay the others, and is reported", async () => {
    const refusing = await listen((_request, response) => void response.writeHead(401).end());
    const silent = await listen(() => {});
    const config: UpstreamConfig = [
      { ...overStdio("missing"), command: "/nowhere/at-all" } as UpstreamConfig[number],
      { ...overStdio("broken"), args: ["-e", "process.exit(1)"] } as UpstreamConfig[number],
      overHttp("refusing", refusing.url),
      overHttp("silent", silent.url),
      overStdio("other"),
    ];
    const grants = config.map(({ name }) => `${name}__*`);
    const upstreams = open(config, grants, 4_000);
    const { tools, notes } = await upstreams.list(NEVER);
    expect(new Set(tools.map(({ name }) => name.split("__")[0]))).toEqual(new Set(["other"]));
    expect(notes.filter((note) => note.includes("absent"))).toEqual([
      "The tools of missing are absent: it could not be reached (ENOENT).",
      "The tools of broken are absent: it ended.",
      "The tools of refusing are absent: it answered with HTTP 401.",
      "The tools of silent are absent: it did not answer in time.",
    ]);
  });

  it("is not even started when nothing of it is granted", async () => {
    const web = await startHttp({ legacy: "stateless" });
    await open([overHttp("web", web.url)], ["other__x"]).list(NEVER);
    expect(web.seen).toEqual([]);
  });
});

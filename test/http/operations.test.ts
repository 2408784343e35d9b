import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createHttpServer } from "../../src/transport/http/listen.ts";
import { eventually, ROOT } from "../harness.ts";
import { bearer, ERAS, openAgent, openCaller, openStream, send } from "./caller.ts";
import { serve, serveChild } from "./harness.ts";

const WAITING = `${ROOT}test/http/modules/waiting.ts`;

describe("operations", () => {
  it("says that it is up, that it is ready, and how it is doing, without a name or an id in it", async () => {
    const server = await serve();
    const agent = openAgent();
    const get = (path: string) => send(agent, server.base + path, { method: "GET" });
    const caller = await openCaller("legacy", server, await server.key("bob"));
    const saved = (await caller.call("save_fact", { fact: "Bob keeps bees." })).structuredContent;
    await send(agent, `${server.base}/bob/secret-path`, { method: "GET" });
    expect((await get("/healthz")).messages).toEqual([{ status: "ok" }]);
    expect((await get("/readyz")).messages).toEqual([{ status: "ready" }]);
    const head = await send(agent, `${server.base}/healthz`, { method: "HEAD" });
    expect(head).toMatchObject({ status: 200, headers: { "content-length": "15" }, text: "" });
    expect((await send(agent, `${server.base}/healthz`, { method: "POST" })).status).toBe(404);
    const { text, headers } = await get("/metrics");
    expect(headers["content-type"]).toContain("text/plain");
    // Proxies give up an idle connection within a minute: the server must not be the first to close one.
    expect(headers["keep-alive"]).toBe("timeout=75");
    expect(text).toContain("nightshift_sessions 1");
    expect(text).toContain('nightshift_http_requests_total{route="/mcp",status="200"} 2');
    expect(text).toContain('nightshift_http_requests_total{route="other",status="404"} 1');
    for (const secret of ["bob", "bees", "secret-path", saved.fact_id, String(caller.sessionId)])
      expect(text).not.toContain(secret);
  });

  it("counts what is due, how runs ended and what they have used", async () => {
    const script = () => ({ text: "Done.", usage: { input: 70, output: 7 } });
    const server = await serve({ scheduler: true, script });
    const metrics = async () =>
      (await send(openAgent(), `${server.base}/metrics`, { method: "GET" })).text.match(
        /^nightshift_(?:queue|runs|model).*$/gm,
      );
    const none = ["nightshift_queue_depth 0", "nightshift_queue_oldest_due_seconds 0"];
    expect(await metrics()).toEqual(expect.arrayContaining(none));
    const caller = await openCaller("modern", server, await server.key("bob"));
    const later = { prompt: "Say done.", every_seconds: 3_600 };
    const { job_id } = (await caller.call("schedule_task", later)).structuredContent;
    await caller.call("run_job", { job_id, wait: true });
    expect(await metrics()).toEqual(
      expect.arrayContaining([
        'nightshift_runs_total{status="succeeded"} 1',
        'nightshift_model_tokens_total{direction="input"} 70',
        'nightshift_model_tokens_total{direction="output"} 7',
      ]),
    );
  });

  it("tells how late the oldest of what is due is", async () => {
    const server = await serve();
    const caller = await openCaller("modern", server, await server.key("bob"));
    const soon = { tool: { name: "whoami" }, execute_at: new Date(Date.now() + 100).toISOString() };
    await caller.call("schedule_task", soon);
    const { job_id } = (await caller.call("schedule_task", { ...soon, execute_at: "2099-01-01T00:00:00Z" }))
      .structuredContent;
    await caller.call("run_job", { job_id });
    await eventually(async () => {
      const { text } = await send(openAgent(), `${server.base}/metrics`, { method: "GET" });
      const late = Number(/^nightshift_queue_oldest_due_seconds (.*)$/m.exec(text)?.[1]);
      return /^nightshift_queue_depth 2$/m.test(text) && late > 0 && late < 60;
    });
  });

  it("says that it is not ready when its stores are gone, and stays up", async () => {
    const server = await serve();
    await server.key("bob");
    await server.app.close();
    const agent = openAgent();
    const ready = await send(agent, `${server.base}/readyz`, { method: "GET" });
    expect([ready.status, ready.messages]).toEqual([503, [{ status: "unavailable" }]]);
    expect((await send(agent, `${server.base}/healthz`, { method: "GET" })).status).toBe(200);
  });

  it("refuses a port that is taken, in a sentence", async () => {
    const first = await serve();
    const port = Number(new URL(first.base).port);
    await expect(serve({ port })).rejects.toThrow(/another program listens there; give another --port/);
  });
});

describe.each(ERAS)("a server that is told to stop, %s era", (era) => {
  it("takes no one new, lets calls finish, ends streams, and exits with 0", async () => {
    const server = await serveChild({ args: ["--tools", WAITING, "--sse"] });
    const caller = await openCaller(era, server);
    const stream = await caller.listen(["job://x"]);
    const old = await openStream(openAgent(), `${server.base}/sse`, { method: "GET" });
    expect([stream.status, old.status]).toEqual([200, 200]);
    const call = caller.call("wait", { ms: 1_500, word: "done" });
    await eventually(async () => {
      const { text } = await send(openAgent(), `${server.base}/metrics`, { method: "GET" });
      return /^nightshift_calls 1$/m.test(text);
    });
    const exited = server.stop();
    await eventually(() =>
      send(openAgent(), `${server.base}/healthz`, { method: "GET" }).then(
        () => false,
        () => true,
      ),
    );
    expect((await call).structuredContent).toMatchObject({ user_id: "alice", word: "done" });
    await Promise.all([stream.ended, old.ended]);
    expect(await exited).toBe(0);
    expect(server.stderr()).not.toMatch(/"level":(?:50|60)/);
  }, 30_000);

  it("breaks off what is not done by its deadline, and exits with 0", async () => {
    const env = { NIGHTSHIFT_SHUTDOWN_SECONDS: "1" };
    const server = await serveChild({ args: ["--tools", WAITING], env });
    const caller = await openCaller(era, server);
    const call = caller.call("wait", { ms: 60_000, word: "never" }).then(
      ({ isError }) => (isError ? "broken off" : "done"),
      () => "broken off",
    );
    await sleep(200);
    expect(await server.stop("SIGINT")).toBe(0);
    expect(await call).toBe("broken off");
  }, 30_000);
});

describe("/metrics", () => {
  it("has a port of its own where one is given, for this machine alone", async () => {
    const server = await serve({ metricsPort: 0 });
    const { metricsUrl = "" } = server.http;
    expect(new URL(metricsUrl).hostname).toBe("127.0.0.1");
    expect(new URL(metricsUrl).port).not.toBe(new URL(server.base).port);
    const get = (url: string, headers = {}) => send(openAgent(), url, { method: "GET", headers });
    expect((await get(metricsUrl)).text).toContain("nightshift_sessions 0");
    expect((await get(`${server.base}/metrics`)).status).toBe(404);
    expect((await get(metricsUrl, { host: "evil.example" })).status).toBe(403);
    expect((await get(metricsUrl.replace("metrics", "mcp"))).status).toBe(404);
    const taken = { metricsPort: Number(new URL(metricsUrl).port) };
    await expect(serve(taken)).rejects.toThrow(/give another --metrics-port/);
  });

  it("needs a key on an address that others reach", async () => {
    const server = await serve({ host: "0.0.0.0", allowedHosts: ["0.0.0.0"] });
    const get = (headers = {}) => send(openAgent(), `${server.base}/metrics`, { method: "GET", headers });
    const refused = await get();
    expect([refused.status, refused.headers["www-authenticate"]]).toEqual([401, 'Bearer realm="nightshift"']);
    expect((await get(bearer("nsk_0123456789abcdef_x"))).status).toBe(401);
    const { status, text } = await get(bearer(await server.key("prometheus")));
    expect([status, text.includes("nightshift_sessions 0")]).toEqual([200, true]);
  });
});

it("waits longer for a request than it keeps an idle connection, whatever the settings", () => {
  for (const [keepAliveSeconds, bodySeconds] of [
    [75, 30],
    [600, 1],
    [1, 3_600],
  ] as const) {
    const server = createHttpServer({ keepAliveSeconds, bodySeconds }, () => {});
    expect(server.keepAliveTimeout).toBe(keepAliveSeconds * 1000);
    expect(server.headersTimeout).toBeGreaterThan(server.keepAliveTimeout);
    expect(server.requestTimeout).toBeGreaterThanOrEqual(server.headersTimeout + bodySeconds * 1000);
  }
});

it("a server that stops says so while it still serves, and then closes its port", async () => {
  const server = await serveChild({ env: { NIGHTSHIFT_DRAIN_SECONDS: "3" } });
  const status = async (path: string) =>
    (await send(openAgent(), server.base + path, { method: "GET" })).status;
  for (const path of ["/readyz", "/readyz?stopping=404"]) expect(await status(path)).toBe(200);
  const stopped = server.stop();
  await eventually(async () => (await status("/readyz")) === 503);
  expect(await status("/readyz?stopping=404")).toBe(404);
  expect(await status("/healthz")).toBe(200);
  const caller = await openCaller("modern", server);
  expect((await caller.call("whoami")).structuredContent.user_id).toBe("alice");
  expect(await stopped).toBe(0);
  await expect(status("/healthz")).rejects.toThrow(/ECONNREFUSED/);
}, 60_000);

import { createServer, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { createNetworkPolicy } from "../../src/webhooks/attempt.ts";
import { type PostOptions, post } from "../../src/webhooks/post.ts";
import { startReceiver } from "./receiver.ts";

const OPEN = createNetworkPolicy(true);
const PUBLIC_ONLY = createNetworkPolicy(false);
const names = (...answers: string[][]) => {
  const asked: string[] = [];
  const resolve: PostOptions["resolve"] = async (host) => {
    asked.push(host);
    const addresses = answers[Math.min(asked.length, answers.length) - 1] ?? [];
    return addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
  };
  return { asked, resolve };
};

const sendTo = (url: string, options: Partial<PostOptions> = {}) =>
  post(new URL(url), {
    headers: { "webhook-id": "msg_1" },
    body: "{}",
    ...OPEN,
    signal: new AbortController().signal,
    ...options,
  });

describe("a POST", () => {
  it("sends what it is given, once, and reads the status", async () => {
    const receiver = await startReceiver();
    const sent = await sendTo(`${receiver.url}?a=b`, { body: "ü" });
    expect(sent).toEqual({ kind: "answered", status: 204, retryAfter: undefined });
    expect(receiver.received).toMatchObject([
      {
        method: "POST",
        path: "/hook?a=b",
        body: "ü",
        headers: { "webhook-id": "msg_1", "content-length": "2" },
      },
    ]);
  });

  it("does not follow a redirect", async () => {
    const inner = await startReceiver();
    const outer = await startReceiver();
    outer.reply((res) => res.writeHead(307, { location: inner.url }).end());
    expect(await sendTo(outer.url)).toMatchObject({ kind: "answered", status: 307 });
    expect(inner.connections()).toBe(0);
  });

  it("does not wait for the rest of an answer", async () => {
    const receiver = await startReceiver();
    receiver.reply((res) => {
      res.writeHead(200);
      const endless = setInterval(() => res.write("x".repeat(1_000)), 5);
      res.on("close", () => clearInterval(endless));
    });
    expect(await sendTo(receiver.url)).toMatchObject({ kind: "answered", status: 200 });
  });

  it("gives up on a server that does not answer, and on one that drips", async () => {
    const receiver = await startReceiver();
    receiver.reply(() => {});
    const late = { kind: "unreachable", error: "It did not answer within 0.2 s." };
    expect(await sendTo(receiver.url, { timeoutMs: 200 })).toEqual(late);
    const dripping = await listen((socket) => {
      socket.write("HTTP/1.1 200 OK\r\nx: ");
      const drip = setInterval(() => socket.write("y"), 20);
      socket.on("close", () => clearInterval(drip));
    });
    expect(await sendTo(dripping, { timeoutMs: 200 })).toEqual(late);
    expect(
      await sendTo("http://never.example/", { timeoutMs: 200, resolve: () => new Promise(() => {}) }),
    ).toEqual(late);
  });

  it.each([
    ["nothing", ""],
    ["no HTTP", "hello\r\n\r\n"],
    ["another protocol", "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"],
    ["headers without end", `HTTP/1.1 200 OK\r\n${"x: y\r\n".repeat(20_000)}`],
  ])("fails in a sentence of our own where it is answered with %s", async (_what, answer) => {
    const url = await listen((socket) => void socket.end(answer));
    expect(await sendTo(url)).toEqual({
      kind: "unreachable",
      error: expect.stringMatching(/^It could not be reached \((?:[A-Z_]+|connection closed)\)\.$/),
    });
  });

  it("fails where nobody listens, and where there is no such name", async () => {
    const receiver = await startReceiver();
    const url = receiver.url.replace(String(receiver.port), "1");
    expect(await sendTo(url)).toMatchObject({
      kind: "unreachable",
      error: expect.stringContaining("ECONNREFUSED"),
    });
    expect(await sendTo("http://none.example/", names([]))).toMatchObject({
      error: expect.stringContaining("ENOTFOUND"),
    });
  });

  it("can be stopped", async () => {
    const receiver = await startReceiver();
    const stop = new AbortController();
    receiver.reply(() => stop.abort());
    expect(await sendTo(receiver.url, { signal: stop.signal })).toEqual({ kind: "stopped" });
  });

  it("trusts no certificate that nobody vouches for", async () => {
    const receiver = await startReceiver({ tls: true });
    const sent = await sendTo(receiver.url);
    expect(sent).toEqual({ kind: "unreachable", error: expect.stringMatching(/SELF_SIGNED/) });
    expect(receiver.received).toEqual([]);
  });
});

describe("an address that is not allowed", () => {
  const refused = { kind: "refused", error: expect.stringContaining("public address") };

  it.each(["http://127.0.0.1", "http://2130706433", "http://[::ffff:127.0.0.1]", "http://[::1]"])(
    "is not connected to: %s",
    async (origin) => {
      const receiver = await startReceiver();
      expect(await sendTo(`${origin}:${receiver.port}/`, PUBLIC_ONLY)).toEqual(refused);
      expect(receiver.connections()).toBe(0);
    },
  );

  it.each([
    ["127.0.0.1"],
    ["10.0.0.1", "127.0.0.1"],
    ["1.1.1.1", "127.0.0.1"],
    ["127.0.0.1", "1.1.1.1"],
    ["::ffff:127.0.0.1"],
    ["::1"],
    ["not an address"],
  ])("is not connected to when a name leads there: %s %s", async (...addresses) => {
    const receiver = await startReceiver();
    const { resolve } = names(addresses.filter(Boolean));
    expect(await sendTo(`http://hook.example:${receiver.port}/`, { ...PUBLIC_ONLY, resolve })).toEqual(
      refused,
    );
    expect(receiver.connections()).toBe(0);
  });

  it("is what is looked at, however soon a name leads elsewhere", async () => {
    // This loopback address stands for a public one, the other for a private one.
    const isAllowed = (address: string) => address === "127.0.0.1";
    const open = await startReceiver();
    const inner = await startReceiver({ host: "127.0.0.2" });
    const rebinding = names(["127.0.0.1"], ["127.0.0.2"]);
    const options = { ...rebinding, isAllowed };
    expect(await sendTo(`http://hook.example:${open.port}/`, options)).toMatchObject({ status: 204 });
    expect(rebinding.asked).toEqual(["hook.example"]);
    expect(await sendTo(`http://hook.example:${inner.port}/`, options)).toEqual(refused);
    expect(inner.connections()).toBe(0);
    expect(open.received[0]?.headers.host).toBe(`hook.example:${open.port}`);
  });

  it("is not the public's way to a name of this machine", async () => {
    const receiver = await startReceiver();
    const sent = await sendTo(`http://localhost:${receiver.port}/`, { ...PUBLIC_ONLY, timeoutMs: 5_000 });
    expect(["refused", "unreachable"]).toContain(sent.kind);
    expect(receiver.connections()).toBe(0);
    expect(await sendTo(`http://localhost:${receiver.port}/`)).toMatchObject({ status: 204 });
  });
});

async function listen(serve: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("data", () => serve(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise<void>((resolve) => void server.close(() => resolve()));
  });
  return `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
}

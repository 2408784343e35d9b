import { createSocket } from "node:dgram";
import { describe, expect, it, onTestFinished } from "vitest";
import { askNameServers, askSystem, post } from "../../src/webhooks/post.ts";
import { startReceiver } from "./receiver.ts";

const A = 1;
const AAAA = 28;
const NXDOMAIN = 3;

/** Addresses as bytes, undefined for an unknown name, "silence" for no response at all. */
type Records = (name: string, type: number) => number[][] | undefined | "silence";

/** A real name server on loopback, whose answers must not be cached (TTL 0). */
async function startNameServer(records: Records): Promise<string> {
  const socket = createSocket("udp4");
  socket.on("message", (query, from) => {
    const labels: string[] = [];
    let at = 12;
    for (let size = query.readUInt8(at); size > 0; size = query.readUInt8(at)) {
      labels.push(query.toString("latin1", at + 1, at + 1 + size));
      at += 1 + size;
    }
    const type = query.readUInt16BE(at + 1);
    const found = records(labels.join("."), type);
    if (found === "silence") return;
    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    header.writeUInt16BE(found ? 0x8180 : 0x8180 | NXDOMAIN, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(found?.length ?? 0, 6);
    const answers = (found ?? []).map((address) =>
      Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 0, 0, address.length, ...address]),
    );
    socket.send(Buffer.concat([header, query.subarray(12, at + 5), ...answers]), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  onTestFinished(() => new Promise<void>((resolve) => socket.close(() => resolve())));
  return `127.0.0.1:${socket.address().port}`;
}

const never = new AbortController().signal;

describe("a name server", () => {
  it("is asked for addresses of both families", async () => {
    const both: Records = (_name, type) =>
      type === A
        ? [
            [1, 1, 1, 1],
            [8, 8, 8, 8],
          ]
        : [[0x26, 6, ...Array(14).fill(0)]];
    const ask = askNameServers([await startNameServer(both)]);
    expect(await ask("hook.example", never)).toEqual([
      { address: "1.1.1.1", family: 4 },
      { address: "8.8.8.8", family: 4 },
      { address: "2606::", family: 6 },
    ]);
  });

  it("may know only one of them, or none", async () => {
    const records: Records = (name, type) =>
      name === "none.example"
        ? undefined
        : name === "six.example"
          ? type === AAAA
            ? [Array(16).fill(1)]
            : []
          : type === A
            ? [[9, 9, 9, 9]]
            : [];
    const ask = askNameServers([await startNameServer(records)]);
    expect(await ask("four.example", never)).toEqual([{ address: "9.9.9.9", family: 4 }]);
    expect(await ask("six.example", never)).toMatchObject([{ family: 6 }]);
    await expect(ask("none.example", never)).rejects.toMatchObject({ code: "ENOTFOUND" });
  });

  it("that says nothing is waited for no longer than the caller waits", async () => {
    const ask = askNameServers([await startNameServer(() => "silence")]);
    const stop = new AbortController();
    const asking = ask("hook.example", stop.signal);
    stop.abort();
    await expect(asking).rejects.toMatchObject({ code: "ECANCELLED" });
  });

  it("that leads a name elsewhere between two questions leads no request there", async () => {
    // This loopback address stands for a public one, the one after it for a private one.
    const isAllowed = (address: string) => address === "127.0.0.1";
    const open = await startReceiver();
    const inner = await startReceiver({ host: "127.0.0.2" });
    let asked = 0;
    const rebinding: Records = (_name, type) => (type === A ? [[127, 0, 0, ++asked]] : []);
    const resolve = askNameServers([await startNameServer(rebinding)]);
    const options = { headers: {}, body: "{}", resolve, isAllowed, signal: never };
    const first = await post(new URL(`http://hook.example:${open.port}/`), options);
    expect(first).toMatchObject({ kind: "answered", status: 204 });
    expect(asked).toBe(1);
    expect(await post(new URL(`http://hook.example:${inner.port}/`), options)).toMatchObject({
      kind: "refused",
    });
    expect(inner.connections()).toBe(0);
  });
});

it("the system knows its own name", async () => {
  expect(await askSystem("localhost", never)).toContainEqual({
    address: expect.any(String),
    family: expect.any(Number),
  });
});

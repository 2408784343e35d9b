import { once } from "node:events";
import { createServer, get, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { sendResponse } from "../../src/transport/http/web.ts";
import { eventually } from "../harness.ts";

const PIECE = "x".repeat(256 * 1024);
const PIECES = 80;

/** Serves one stream of many chunks. Resolves to how it ended. */
async function serveStream(unreadMs?: number) {
  const seen = { listeners: 0, isCancelled: false, isSent: false };
  const server = createServer(async (_req, res: ServerResponse) => {
    let left = PIECES;
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        seen.listeners = Math.max(seen.listeners, res.listenerCount("close"));
        controller.enqueue(Buffer.from(PIECE));
        left -= 1;
        if (left === 0) controller.close();
        await wait(0);
      },
      cancel: () => {
        seen.isCancelled = true;
      },
    });
    await sendResponse(
      new Response(body, { headers: { "content-type": "text/event-stream" } }),
      res,
      unreadMs,
    );
    seen.isSent = true;
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const request = get({ port: (server.address() as AddressInfo).port, agent: false }).on("error", () => {});
  const [answer] = (await once(request, "response")) as [IncomingMessage];
  return { seen, answer };
}

describe("a stream to a client", () => {
  it("arrives whole where the client is slow, and leaves no listener behind each time it waits", async () => {
    const { seen, answer } = await serveStream();
    let size = 0;
    for await (const chunk of answer) {
      size += (chunk as Buffer).length;
      await wait(4);
    }
    expect(size).toBe(PIECE.length * PIECES);
    expect(seen).toMatchObject({ isCancelled: false, isSent: true });
    expect(seen.listeners).toBeLessThan(6);
  });

  it("ends where the client has gone, also while it waits for the socket to drain", async () => {
    const { seen, answer } = await serveStream();
    answer.destroy();
    await eventually(async () => seen.isSent);
    expect(seen.isCancelled).toBe(true);
  });

  it("ends where the client does not read what waits for it", async () => {
    const { seen, answer } = await serveStream(100);
    answer.pause().on("error", () => {});
    await eventually(async () => seen.isSent);
    expect(seen.isCancelled).toBe(true);
    answer.destroy();
  });
});

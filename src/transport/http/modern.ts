import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, type ServerEventBus } from "@modelcontextprotocol/server";
import type { Request, Response } from "express";
import { type House, openConnection } from "../../connection/connection.ts";
import type { Arrival } from "../../connection/identity.ts";

/**
 * Serves one request of the 2026-07-28 protocol: a connection of its own, gone with the answer. The SDK's handler is made
 * for this request too, with a bus that carries its principal's events and no others: there is nothing to share, so
 * there is nothing to filter.
 */
export async function serveModern(
  house: House,
  arrival: Arrival,
  userKey: string,
  req: Request,
  res: Response,
): Promise<void> {
  const handler = createMcpHandler(async () => (await openConnection(house, arrival, "modern")).server, {
    legacy: "reject",
    bus: busOf(house, userKey),
    onerror: (error) => house.log.debug({ reason: error.message }, "a request was answered with an error"),
  });
  await toNodeHandler(handler)(req, res, req.body);
}

/** One principal's view of the house's events, in the SDK's words. Nothing can be published through it. */
function busOf({ events }: House, userKey: string): ServerEventBus {
  return {
    publish: () => {},
    subscribe: (listener) =>
      events.subscribe(userKey, ({ uri }) => listener({ kind: "resource_updated", uri })),
  };
}

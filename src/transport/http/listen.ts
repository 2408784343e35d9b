import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Config } from "../../config.ts";
import { NightshiftError } from "../../errors.ts";

/** More than the keep-alive, so that the next request's head on a connection has time of its own. */
const HEAD_MS = 10_000;

/** A server with time limits of ours: Node's own change between versions, and its keep-alive of 5 s is too short. */
export function createHttpServer(
  { keepAliveSeconds, bodySeconds }: Pick<Config, "keepAliveSeconds" | "bodySeconds">,
  serve: RequestListener,
): Server {
  const server = createServer(serve);
  // Shorter than a proxy's, it would close a connection as idle although a request has just been sent on it.
  server.keepAliveTimeout = keepAliveSeconds * 1000;
  server.headersTimeout = server.keepAliveTimeout + HEAD_MS;
  server.requestTimeout = server.headersTimeout + bodySeconds * 1000;
  return server;
}

/** Resolves to the URL. Rejects with CONFIG_INVALID, which names `flag`, when the port is taken. */
export function startListening(
  server: Server,
  { host, port, flag }: { host: string; port: number; flag: string },
): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const why =
        error.code === "EADDRINUSE" ? `another program listens there; give another ${flag}` : error.message;
      reject(
        new NightshiftError(
          "CONFIG_INVALID",
          `Cannot listen on ${host}:${port}: ${why}.`,
          {},
          { cause: error },
        ),
      );
    });
    server.listen(port, host, () => {
      const { port: bound } = server.address() as AddressInfo;
      resolve(`http://${host.includes(":") ? `[${host}]` : host}:${bound}`);
    });
  });
}

/** True for addresses that only programs on this machine reach. */
export const isLoopback = (host: string): boolean =>
  /^(?:localhost|127\.\d+\.\d+\.\d+|::1|\[::1\])$/.test(host);

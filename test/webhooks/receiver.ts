import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import { createServer as createHttps } from "node:https";
import type { AddressInfo } from "node:net";
import { Webhook } from "standardwebhooks";
import { onTestFinished } from "vitest";

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** The response to a request: a status, or a function that writes anything else. */
type Reply = number | ((res: ServerResponse, received: Received) => void);

export interface Receiver {
  readonly url: string;
  readonly port: number;
  /** The number of connections that were made. */
  readonly connections: () => number;
  readonly received: Received[];
  /** Sets the response from now on. Default 204. */
  reply(reply: Reply): void;
}

export interface ReceiverOptions {
  readonly host?: string;
  readonly tls?: boolean;
}

/** A real HTTP server that takes webhooks, closed when the test has finished. */
export async function startReceiver({
  host = "127.0.0.1",
  tls = false,
}: ReceiverOptions = {}): Promise<Receiver> {
  const received: Received[] = [];
  let reply: Reply = 204;
  let connections = 0;
  const server = tls ? createHttps({ key: TLS_KEY, cert: TLS_CERTIFICATE }) : createServer();
  server.on("request", (req, res) => {
    let body = "";
    req.setEncoding("utf8").on("data", (chunk: string) => {
      body += chunk;
    });
    req.on("end", () => {
      const one = { method: req.method ?? "", path: req.url ?? "", headers: req.headers, body };
      received.push(one);
      if (typeof reply === "function") reply(res, one);
      else res.writeHead(reply).end();
    });
  });
  server.on("connection", () => {
    connections++;
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  const { port } = server.address() as AddressInfo;
  return {
    url: `${tls ? "https" : "http"}://${host}:${port}/hook`,
    port,
    connections: () => connections,
    received,
    reply: (next) => {
      reply = next;
    },
  };
}

/** Verifies a delivery as a receiver does. Throws unless it is signed with the secret and recent. */
// biome-ignore lint/suspicious/noExplicitAny: tests read what the message promises, and fail where it is absent
export const verify = (secret: string, { body, headers }: Received): any =>
  new Webhook(secret).verify(body, headers as Record<string, string>);

/** A self-signed certificate for localhost. */
const TLS_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgTs7AzUDS/MVIYSbM
T+p0LgBt75DZ9HVAWC1Y8yboP0GhRANCAAQqeJgY2x1D2+dnlL9cOVZDkqkfdI5X
jwEkOLpk7TcNMO3PXu2pJ642rhJe/sMdxXqa8e81M9YZGCvYsdLXONKd
-----END PRIVATE KEY-----
`;
export const TLS_CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBnDCCAUGgAwIBAgIUcptG2zXlbN954bUp3X/eLOqQpQUwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjE5MTcwNFoYDzIxMjYxMDI5
MTkxNzA0WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQqeJgY2x1D2+dnlL9cOVZDkqkfdI5XjwEkOLpk7TcNMO3PXu2pJ642
rhJe/sMdxXqa8e81M9YZGCvYsdLXONKdo28wbTAdBgNVHQ4EFgQUUBAY3BivMxz7
dXo+6LyOLmh7ePYwHwYDVR0jBBgwFoAUUBAY3BivMxz7dXo+6LyOLmh7ePYwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSQAwRgIhAMvfj4Ldvn4dmMw2xC2UoQBeWYsffMM7lDQ2FUnhzHySAiEA
tEJ1NHF9sUf1Y5Wfa/JkTJmtUP/OPD80R5JH8AbaQYs=
-----END CERTIFICATE-----
`;

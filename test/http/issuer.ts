import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import { onTestFinished } from "vitest";

export const AUDIENCE = "https://nightshift.example/mcp";

export interface TokenOptions {
  readonly claims?: JWTPayload & Record<string, unknown>;
  readonly algorithm?: "RS256" | "ES256";
  /** Signs with keys that the issuer does not have, under the same ids. */
  readonly stranger?: boolean;
  /** Default at+jwt; null leaves it out. */
  readonly typ?: string | null;
}

export interface Issuer {
  readonly url: string;
  token(options?: TokenOptions): Promise<string>;
  /** Its public key as PEM, which a careless verifier would take for a shared secret. */
  publicPem(): Promise<string>;
  /** Makes the issuer unreachable. */
  close(): Promise<void>;
}

/** A real issuer on a port of its own: metadata, JWKS, and tokens signed with its keys. */
export async function startIssuer(path = ""): Promise<Issuer> {
  const algorithms = ["RS256", "ES256"] as const;
  const own = await Promise.all(algorithms.map((name) => generateKeyPair(name, { extractable: true })));
  const others = await Promise.all(algorithms.map((name) => generateKeyPair(name)));
  const jwks = await Promise.all(
    own.map(async ({ publicKey }, i) => ({
      ...(await exportJWK(publicKey)),
      kid: algorithms[i],
      use: "sig",
    })),
  );
  const server = createServer((req, res) => {
    const metadata = { issuer: url, jwks_uri: `${origin}/jwks` };
    const known: Record<string, object> = {
      [`/.well-known/oauth-authorization-server${path}`]: metadata,
      "/jwks": { keys: jwks },
    };
    const found = known[req.url ?? ""];
    res.writeHead(found ? 200 : 404, { "content-type": "application/json" }).end(JSON.stringify(found ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const url = `${origin}${path}`;
  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  onTestFinished(close);
  return {
    url,
    close,
    publicPem: () => exportSPKI((own[0] as (typeof own)[0]).publicKey),
    async token({ claims = {}, algorithm = "RS256", stranger = false, typ = "at+jwt" } = {}) {
      const keys = stranger ? others : own;
      const key = keys[algorithms.indexOf(algorithm)]?.privateKey ?? new Uint8Array();
      const all = { iss: url, aud: AUDIENCE, sub: "dave", exp: seconds(300), iat: seconds(0), ...claims };
      const given = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
      return new SignJWT(given)
        .setProtectedHeader({ alg: algorithm, kid: algorithm, ...(typ !== null && { typ }) })
        .sign(key);
    },
  };
}

/** Seconds since the epoch, so many from now. */
export const seconds = (fromNow: number): number => Math.floor(Date.now() / 1000) + fromNow;

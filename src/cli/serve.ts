import { setTimeout as sleep } from "node:timers/promises";
import { createApp } from "../app.ts";
import type { Config } from "../config.ts";
import { watchTurns } from "../connection/turns.ts";
import { NightshiftError } from "../errors.ts";
import { createLog } from "../log.ts";
import { version } from "../version.ts";
import { paint, plain, print } from "./output.ts";
import { logStrayErrors } from "./stray-errors.ts";

/** Serves HTTP and runs due jobs until SIGINT or SIGTERM. Resolves to exit code 0 after an orderly stop. */
export async function runServe(config: Config): Promise<number> {
  const log = createLog(config.logLevel);
  const stopLogging = logStrayErrors(log);
  const app = await createApp({ config, log, lifetime: "service" });
  const turns = watchTurns({ work: app.connectionDeps.work, log });
  let isStopping = false;
  const stopped = new Promise<string>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve(signal));
  });
  try {
    const [{ serveHttp }, { isLoopback }, { createAuthenticator }] = await Promise.all([
      import("../transport/http/server.ts"),
      import("../transport/http/listen.ts"),
      import("../transport/http/auth.ts"),
    ]);
    const tokens = await openTokens(config, log);
    const isOpen = !tokens && !(await app.keys.isUsed());
    if (isOpen && !isLoopback(config.host))
      throw new NightshiftError(
        "CONFIG_INVALID",
        `Without authentication Nightshift listens on loopback only, not on ${config.host}. Make a key first (nightshift keys create --user …), or give --oauth-issuer.`,
      );
    const http = await serveHttp({
      connectionDeps: app.connectionDeps,
      config,
      authenticator: createAuthenticator({
        keys: app.keys,
        tokens,
        // Unauthenticated calls stay impossible on other hosts, even after all keys are deleted.
        openUser: tokens || !isLoopback(config.host) ? undefined : config.user,
        now: app.now,
      }),
      issuer: tokens?.issuer,
      checkReady: async () => {
        if (isStopping) throw new NightshiftError("CANCELLED", "This node stops.");
        await app.checkReady();
      },
      isBusy: app.isBusy,
      readBacklog: app.readBacklog,
      runStats: app.runStats,
      now: app.now,
    });
    await app.startScheduler();
    tellListening({ config, log, url: `${http.url}/mcp`, metrics: http.metricsUrl, isOpen });
    log.info({ signal: await stopped }, "stopping");
    isStopping = true;
    // A balancer sends nothing more before the port is closed. A second signal ends the process at once.
    await sleep((config.drainSeconds ?? (config.databaseUrl ? 2 : 0)) * 1000);
    await http.close();
  } finally {
    await app.close();
    turns.close();
    stopLogging();
  }
  return 0;
}

interface Listening {
  readonly config: Config;
  readonly log: ReturnType<typeof createLog>;
  readonly url: string;
  readonly metrics: string | undefined;
  /** True when no caller needs a key. */
  readonly isOpen: boolean;
}

/** Greets a person at a terminal; everybody else reads a line of the log. */
function tellListening({ config, log, url, metrics, isOpen }: Listening): void {
  const isTerminal = process.stdout.isTTY;
  const publicUrl = config.publicUrl && `${config.publicUrl.replace(/\/$/, "")}/mcp`;
  if (isTerminal) print(greetingOf({ url: publicUrl ?? url, user: config.user, isOpen }));
  if (isTerminal && process.stderr.isTTY) return;
  const sse = config.sse ? url.replace(/mcp$/, "sse") : undefined;
  log.info(
    { url, metrics, sse, authentication: !isOpen },
    isOpen
      ? `listening without authentication, on loopback: every local program is ${config.user}`
      : "listening",
  );
}

/** The URL, whether keys are needed, and what to run or to paste so that a client uses this server. */
function greetingOf({ url, user, isOpen }: { url: string; user: string; isOpen: boolean }): string {
  const headers = isOpen ? {} : { headers: { Authorization: "Bearer <key>" } };
  const entry = JSON.stringify({ mcpServers: { nightshift: { url, ...headers } } });
  return [
    `${paint("bold", `Nightshift ${version}`)} serves MCP at ${url}`,
    isOpen
      ? `No key is needed: every program on this machine is ${plain(user)}.`
      : `Each client needs a key: nightshift keys create --user ${plain(user)}`,
    `For the clients on this machine: nightshift install --http ${url}${isOpen ? "" : " --key-file <file>"}`,
    `To paste into a client: ${entry}`,
    "Ctrl+C stops it.",
  ].join("\n");
}

async function openTokens(config: Config, log: ReturnType<typeof createLog>) {
  const { oauthIssuer: issuer, oauthAudience: audience, oauthTokenType: tokenType } = config;
  if (!issuer && !audience) return undefined;
  if (!issuer || !audience)
    throw new NightshiftError(
      "CONFIG_INVALID",
      "--oauth-issuer and --oauth-audience go together; give both.",
    );
  const { openTokenVerifier } = await import("../transport/http/oauth.ts");
  return openTokenVerifier({ issuer, audience, tokenType, log });
}

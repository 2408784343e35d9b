import { setTimeout as wait } from "node:timers/promises";
import { createApp } from "../app.ts";
import type { Config } from "../config.ts";
import { localPrincipal } from "../connection/connection.ts";
import { watchTurns } from "../connection/turns.ts";
import { createLog } from "../log.ts";
import { serveOverStdio, takeStdout } from "../transport/stdio.ts";
import { logStrayErrors } from "./stray-errors.ts";

/** The scheduler starts after this delay, so that the client's handshake comes first. */
const SCHEDULER_START_MS = 200;
/** The longest wait before the scheduler is tried again. The database may be locked now, and the client open for weeks. */
const MAX_START_WAIT_MS = 60_000;

/** Serves one client over stdin and stdout, and runs its user's jobs while it is connected. */
export async function runStdio(config: Config): Promise<number> {
  const stdout = takeStdout();
  const log = createLog(config.logLevel);
  const stopLogging = logStrayErrors(log);
  const app = await createApp({ config, log, lifetime: "connection" });
  const turns = watchTurns({ work: app.connectionDeps.work, log });
  const stop = new AbortController();
  const end = () => stop.abort();
  process.once("SIGINT", end);
  process.once("SIGTERM", end);
  const startScheduler = async () => {
    for (let waitMs = SCHEDULER_START_MS; ; waitMs = Math.min(5 * waitMs, MAX_START_WAIT_MS)) {
      await wait(waitMs, undefined, { signal: stop.signal, ref: false });
      try {
        return await app.startScheduler({ onlyUser: config.user });
      } catch (error) {
        app.connectionDeps.log.error(
          { err: error },
          "jobs cannot run: the scheduler did not start; trying again",
        );
      }
    }
  };
  const starting = startScheduler().catch(() => {});
  try {
    const finishMs = config.shutdownSeconds * 1000;
    const options = { signal: stop.signal, stdout, finishMs, limits: config };
    await serveOverStdio(app.connectionDeps, localPrincipal(config.user), options);
  } finally {
    stop.abort();
    await starting;
    await app.close();
    turns.close();
    stopLogging();
  }
  return 0;
}

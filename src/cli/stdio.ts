import { setTimeout as wait } from "node:timers/promises";
import { createApp } from "../app.ts";
import type { Config } from "../config.ts";
import { localPrincipal } from "../connection/connection.ts";
import { createLog } from "../log.ts";
import { serveOverStdio, takeStdout } from "../transport/stdio.ts";

/** Jobs fire while the client is connected; the start of the scheduler waits until the client has been greeted. */
const SCHEDULER_START_MS = 200;
/** Later from time to time, at most: a client may be open for weeks, and the database be locked for a minute of them. */
const START_AGAIN_MS = 60_000;

export async function runStdio(config: Config): Promise<number> {
  const stdout = takeStdout();
  const app = await createApp({ config, log: createLog(config.logLevel), lifetime: "connection" });
  const stop = new AbortController();
  const end = () => stop.abort();
  process.once("SIGINT", end);
  process.once("SIGTERM", end);
  const startScheduler = async () => {
    for (let afterMs = SCHEDULER_START_MS; ; afterMs = Math.min(5 * afterMs, START_AGAIN_MS)) {
      await wait(afterMs, undefined, { signal: stop.signal, ref: false });
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
    await serveOverStdio(app.connectionDeps, localPrincipal(config.user), { signal: stop.signal, stdout });
  } finally {
    stop.abort();
    await starting;
    await app.close();
  }
  return 0;
}

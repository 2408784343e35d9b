import { createApp } from "../app.ts";
import type { Config } from "../config.ts";
import { localPrincipal } from "../connection/identity.ts";
import { createLog } from "../log.ts";
import { serveOverStdio, takeStdout } from "../transport/stdio.ts";

/** Jobs fire while the client is connected; the start of the scheduler waits until the client has been greeted. */
const SCHEDULER_START_MS = 200;

export async function runStdio(config: Config): Promise<number> {
  const stdout = takeStdout();
  const app = await createApp({ config, log: createLog(config.logLevel), lifetime: "connection" });
  const stop = new AbortController();
  const end = () => stop.abort();
  process.once("SIGINT", end);
  process.once("SIGTERM", end);
  const startScheduler = () =>
    void app.startScheduler({ onlyUser: config.user }).catch((error: unknown) => {
      app.house.log.error({ err: error }, "jobs cannot run: the scheduler did not start");
    });
  const timer = setTimeout(startScheduler, SCHEDULER_START_MS);
  try {
    await serveOverStdio(app.house, localPrincipal(config.user), { signal: stop.signal, stdout });
  } finally {
    clearTimeout(timer);
    await app.close();
  }
  return 0;
}

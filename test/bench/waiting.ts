import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { startScriptedModel } from "../../src/model/scripted.ts";
import { hasYardsticks, SHARED, startBuilt } from "./yardstick.ts";

const GHOSTS = 100;

/** The whole server's memory while a hundred ghosts wait for a slow model at once. */
export async function benchWaiting(): Promise<object[]> {
  if (!hasYardsticks()) return [];
  const { caller, rssKiB } = await import(pathToFileURL(join(SHARED, "mcp-http.mjs")).href);
  const model = await startScriptedModel({ script: () => ({ text: "done", delayMs: 30_000 }) });
  const server = await startBuilt(1, undefined, {
    NIGHTSHIFT_MODEL: "openai-compatible:scripted",
    NIGHTSHIFT_MODEL_BASE_URL: model.baseUrl,
    NIGHTSHIFT_MAX_GHOSTS: String(GHOSTS),
  });
  try {
    const { modern } = caller({ url: server.url, token: server.token, conns: 4 });
    const execute_at = new Date(Date.now() + 5_000).toISOString();
    for (let i = 0; i < GHOSTS; i++)
      await modern("tools/call", { name: "schedule_task", arguments: { prompt: "Wait.", execute_at } });
    while (model.requests.length < GHOSTS) await wait(100);
    await wait(1_000);
    const megabytes = Math.round((rssKiB(server.pid) * 1024) / 1e6);
    return [{ name: `MB of a server with ${GHOSTS} ghosts waiting`, value: megabytes, atMost: 1_500 }];
  } finally {
    await server.stop();
    await model.close();
  }
}

if (import.meta.main) console.table(await benchWaiting());

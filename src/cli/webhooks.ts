import { createApp } from "../app.ts";
import type { Config } from "../config.ts";
import { createLog } from "../log.ts";
import type { WebhookStore } from "../webhooks/webhook-store.ts";
import { plain, print, printJson } from "./output.ts";

interface Values {
  readonly json?: unknown;
  readonly rotate?: unknown;
}

async function withWebhooks<T>(config: Config, work: (webhooks: WebhookStore) => Promise<T>): Promise<T> {
  const app = await createApp({ config, log: createLog("warn") });
  try {
    return await work(app.openWebhooks(config.user));
  } finally {
    await app.close();
  }
}

export async function setWebhook(config: Config, url: string, { json }: Values): Promise<number> {
  return withWebhooks(config, async (webhooks) => {
    await webhooks.set(url);
    if (json) printJson({ url });
    else
      print(
        `The ends of all runs of ${plain(config.user)} are told there. Receivers verify them with the secret that \`nightshift webhooks secret\` prints.`,
      );
    return 0;
  });
}

/** Exit code 1 when a test did not arrive. */
export async function useWebhook(
  config: Config,
  verb: "show" | "remove" | "test",
  { json }: Values,
): Promise<number> {
  return withWebhooks(config, async (webhooks) => {
    if (verb === "show") await show(webhooks, json);
    if (verb === "remove") await remove(webhooks, json);
    return verb === "test" ? test(webhooks, json) : 0;
  });
}

async function show(webhooks: WebhookStore, json: unknown): Promise<void> {
  const shown = { url: await webhooks.url(), deliveries: await webhooks.counts() };
  if (json) return printJson(shown);
  const { delivered, pending, failed } = shown.deliveries;
  print(shown.url === null ? "No webhook. `nightshift webhooks set <url>` makes one." : plain(shown.url));
  print(`  ${delivered} delivered, ${pending} on their way, ${failed} failed`);
}

async function remove(webhooks: WebhookStore, json: unknown): Promise<void> {
  const isRemoved = await webhooks.remove();
  if (json) printJson({ removed: isRemoved });
  else print(isRemoved ? "Removed. What was on its way there is not sent any more." : "There was none.");
}

async function test(webhooks: WebhookStore, json: unknown): Promise<number> {
  const { kind, status, error } = await webhooks.test();
  const isDelivered = kind === "delivered";
  if (json) printJson({ delivered: isDelivered, status, error });
  else print(isDelivered ? `It arrived, and was answered with ${status}.` : `It did not arrive. ${error}`);
  return isDelivered ? 0 : 1;
}

export async function showSecret(config: Config, { json, rotate }: Values): Promise<number> {
  return withWebhooks(config, async (webhooks) => {
    const secret = rotate ? await webhooks.rotateSecret() : await webhooks.secret();
    if (json) printJson({ secret });
    else print(secret);
    return 0;
  });
}

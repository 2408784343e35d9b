import type { Config } from "../config.ts";
import type { WebhookStore } from "../webhooks/webhook-store.ts";
import { withApp } from "./as-user.ts";
import type { Flags } from "./command.ts";
import { plain, print, printJson } from "./output.ts";

const withWebhooks = <T>(config: Config, work: (webhooks: WebhookStore) => Promise<T>): Promise<T> =>
  withApp(config, (app) => work(app.openWebhooks(config.user)));

export async function setWebhook(config: Config, url: string, { json }: Flags): Promise<number> {
  return withWebhooks(config, async (webhooks) => {
    await webhooks.set(url);
    if (json) printJson({ url });
    else
      print(
        `Nightshift posts the end of each run of ${plain(config.user)} there. Receivers verify the messages with the secret that \`nightshift webhooks secret\` prints.`,
      );
    return 0;
  });
}

/** Shows, removes or tests the user's webhook. Resolves to exit code 1 when a test message did not arrive. */
export async function useWebhook(
  config: Config,
  verb: "show" | "remove" | "test",
  { json }: Flags,
): Promise<number> {
  return withWebhooks(config, async (webhooks) => {
    if (verb === "show") await showWebhook(webhooks, json);
    if (verb === "remove") await removeWebhook(webhooks, json);
    return verb === "test" ? testWebhook(webhooks, json) : 0;
  });
}

async function showWebhook(webhooks: WebhookStore, json: unknown): Promise<void> {
  const shown = { url: await webhooks.url(), deliveries: await webhooks.counts() };
  if (json) return printJson(shown);
  const { delivered, pending, failed } = shown.deliveries;
  print(shown.url === null ? "No webhook. `nightshift webhooks set <url>` makes one." : plain(shown.url));
  print(`  ${delivered} delivered, ${pending} waiting, ${failed} failed`);
}

async function removeWebhook(webhooks: WebhookStore, json: unknown): Promise<void> {
  const isRemoved = await webhooks.remove();
  if (json) printJson({ removed: isRemoved });
  else
    print(
      isRemoved
        ? "The webhook is removed. Deliveries that were waiting are not sent."
        : "There was no webhook.",
    );
}

async function testWebhook(webhooks: WebhookStore, json: unknown): Promise<number> {
  const { kind, status, error } = await webhooks.test();
  const isDelivered = kind === "delivered";
  if (json) printJson({ delivered: isDelivered, status, error });
  else print(isDelivered ? `It arrived, and was answered with ${status}.` : `It did not arrive. ${error}`);
  return isDelivered ? 0 : 1;
}

export async function showSecret(config: Config, { json, rotate }: Flags): Promise<number> {
  return withWebhooks(config, async (webhooks) => {
    const secret = rotate ? await webhooks.rotateSecret() : await webhooks.secret();
    if (json) printJson({ secret });
    else print(secret);
    return 0;
  });
}

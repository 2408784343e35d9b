import { randomBytes } from "node:crypto";
import type { Transaction } from "kysely";
import type { Tables, WebhookRow } from "../database/schema.ts";

/** How long the secret before the last rotation signs too, so that receivers can change over. */
export const OLD_SECRET_MS = 24 * 3_600_000;

/** 192 random bits, in the form that Standard Webhooks gives a secret. */
export const newSecret = (): string => `whsec_${randomBytes(24).toString("base64")}`;

/** The user's row, made with a new secret when there is none. */
export async function ensureWebhook(trx: Transaction<Tables>, userKey: string): Promise<WebhookRow> {
  const row: WebhookRow = {
    user_key: userKey,
    url: null,
    secret: newSecret(),
    old_secret: null,
    old_until: null,
    turn_at: null,
  };
  await trx
    .insertInto("webhooks")
    .values(row)
    .onConflict((conflict) => conflict.column("user_key").doNothing())
    .execute();
  return trx.selectFrom("webhooks").selectAll().where("user_key", "=", userKey).executeTakeFirstOrThrow();
}

/** What a message is signed with at `now`: the secret, and for a while the one before. */
export function secretsAt(
  row: Pick<WebhookRow, "secret" | "old_secret" | "old_until">,
  now: number,
): string[] {
  const isOldGood = row.old_secret !== null && row.old_until !== null && now < row.old_until;
  return isOldGood && row.old_secret !== null ? [row.secret, row.old_secret] : [row.secret];
}

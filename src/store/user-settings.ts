import type { Database } from "../database/database.ts";
import type { UserSettings } from "../jobs/contracts.ts";

export interface UserSettingsOptions {
  readonly userKey: string;
  /** Epoch ms. */
  readonly now: () => number;
}

/** One user's settings: every query below carries `userKey`, and no caller can give another. */
export function openUserSettings(db: Database, { userKey, now }: UserSettingsOptions): UserSettings {
  return {
    async timezone() {
      const row = await db.kysely
        .selectFrom("user_settings")
        .select("timezone")
        .where("user_key", "=", userKey)
        .executeTakeFirst();
      return row?.timezone ?? null;
    },
    setTimezone: (timezone) =>
      db.transact(
        async (trx) => {
          const row = { timezone, updated_at: now() };
          await trx
            .insertInto("user_settings")
            .values({ user_key: userKey, ...row })
            .onConflict((conflict) => conflict.column("user_key").doUpdateSet(row))
            .execute();
        },
        { of: userKey },
      ),
  };
}

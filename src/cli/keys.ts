import type { Config } from "../config.ts";
import { isScope, SCOPES } from "../context/scopes.ts";
import { NightshiftError } from "../errors.ts";
import type { ApiKey } from "../store/api-keys.ts";
import { withApp } from "./as-user.ts";
import type { Flags } from "./command.ts";
import { paint, plain, print, printJson, table } from "./output.ts";

const keyToJson = (key: ApiKey) => ({
  key_id: key.keyId,
  user_id: key.userId,
  scopes: key.scopes,
  created_at: new Date(key.createdAt).toISOString(),
  expires_at: key.expiresAt === null ? null : new Date(key.expiresAt).toISOString(),
  revoked_at: key.revokedAt === null ? null : new Date(key.revokedAt).toISOString(),
});

export async function createKey(config: Config, { json, scopes, expires }: Flags): Promise<number> {
  const options = {
    userId: config.user,
    scopes: readScopes(scopes),
    expiresAt: readExpiry(expires, Date.now()),
  };
  return withApp(config, async ({ keys }) => {
    const { key, apiKey } = await keys.create(options);
    if (json) printJson({ key, ...keyToJson(apiKey) });
    else
      print(
        `${paint("bold", key)}\n\nThis is the key of ${plain(apiKey.userId)}. It is shown only now. Send it as: Authorization: Bearer <key>`,
      );
    return 0;
  });
}

function readScopes(given: unknown) {
  if (given === undefined) return SCOPES;
  const named = String(given)
    .split(/[\s,]+/)
    .filter(Boolean);
  const unknown = named.find((scope) => !isScope(scope));
  if (named.length === 0 || unknown !== undefined)
    throw new NightshiftError(
      "CONFIG_INVALID",
      `--scopes takes ${SCOPES.join(", ")} or upstream:<server>${unknown ? `; there is no "${unknown}"` : ""}.`,
    );
  return named.filter(isScope);
}

const UNIT_MS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

function readExpiry(given: unknown, now: number): number | null {
  if (given === undefined) return null;
  const [, amount, unit] = /^(\d+)([mhd])$/.exec(String(given)) ?? [];
  const at =
    amount && unit ? now + Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS] : Date.parse(String(given));
  if (Number.isFinite(at) && at > now) return at;
  throw new NightshiftError(
    "CONFIG_INVALID",
    "--expires takes a duration such as 30d, 12h or 15m, or a future date such as 2027-01-31.",
  );
}

export async function listKeys(config: Config, { json, all }: Flags): Promise<number> {
  return withApp(config, async ({ keys }) => {
    const found = await keys.list(all ? undefined : config.user);
    if (json) printJson({ keys: found.map(keyToJson) });
    else if (found.length === 0) print(`${all ? "There are" : `${plain(config.user)} has`} no keys yet.`);
    else {
      const state = (key: ApiKey) =>
        key.revokedAt !== null
          ? "revoked"
          : key.expiresAt !== null && key.expiresAt <= Date.now()
            ? "expired"
            : "good";
      print(
        table(
          ["KEY", "USER", "STATE", "SCOPES", "CREATED"],
          found.map((key) => [
            key.keyId,
            plain(key.userId),
            state(key),
            key.scopes.join(" "),
            keyToJson(key).created_at,
          ]),
        ),
      );
    }
    return 0;
  });
}

export async function revokeKey(config: Config, keyId: string, { json }: Flags): Promise<number> {
  return withApp(config, async ({ keys }) => {
    const isRevoked = await keys.revoke(keyId);
    if (!isRevoked)
      throw new NightshiftError(
        "CONFIG_INVALID",
        "There is no key with this id; `nightshift keys list --all` shows them.",
      );
    if (json) printJson({ key_id: keyId, revoked: true });
    else print("The key is revoked. Connections that use it end now.");
    return 0;
  });
}

import type { Database } from "../../src/database/database.ts";
import { openPostgres } from "../../src/database/open-postgres.ts";
import { openDatabase } from "../../src/database/open-sqlite.ts";

/** Opens the jobs database of a SQLite file's path or of a Postgres URL. */
export const openPlace = (place: string, clock: () => number): Promise<Database> =>
  place.startsWith("postgres:")
    ? openPostgres({ url: place, now: clock, poolSize: 2 })
    : openDatabase({ file: place, now: clock });

import type { Database } from "../../src/database/database.ts";
import { openPostgres } from "../../src/database/open-postgres.ts";
import { openDatabase } from "../../src/database/open-sqlite.ts";

/** Opens the jobs database of a SQLite file's path or of a Postgres URL. */
export const openLocation = (location: string, now: () => number): Promise<Database> =>
  location.startsWith("postgres:")
    ? openPostgres({ url: location, now, poolSize: 2 })
    : openDatabase({ file: location, now });

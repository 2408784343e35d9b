import { openPostgresBackend, openSqliteBackend } from "../world.ts";
import { inboxStoreContract } from "./inbox-store-contract.ts";
import { inboxRetentionContract } from "./retention-contract.ts";

inboxStoreContract("sqlite", openSqliteBackend);
inboxStoreContract("Postgres", openPostgresBackend);
inboxRetentionContract("sqlite", openSqliteBackend);
inboxRetentionContract("Postgres", openPostgresBackend);

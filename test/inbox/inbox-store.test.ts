import { openPostgresBackend, openSqliteBackend } from "../world.ts";
import { inboxContract } from "./inbox-store-contract.ts";
import { keepingContract } from "./retention-contract.ts";

inboxContract("sqlite", openSqliteBackend);
inboxContract("Postgres", openPostgresBackend);
keepingContract("sqlite", openSqliteBackend);
keepingContract("Postgres", openPostgresBackend);

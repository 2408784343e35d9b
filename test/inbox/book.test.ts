import { openPostgresBackend, openSqliteBackend } from "../world.ts";
import { inboxContract } from "./contract.ts";
import { keepingContract } from "./keeping-contract.ts";

inboxContract("sqlite", openSqliteBackend);
inboxContract("Postgres", openPostgresBackend);
keepingContract("sqlite", openSqliteBackend);
keepingContract("Postgres", openPostgresBackend);

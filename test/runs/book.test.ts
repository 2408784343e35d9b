import { openSqliteBackend } from "../database/temporary.ts";
import { askedContract } from "./asked-contract.ts";
import { runStoreContract } from "./contract.ts";

runStoreContract("sqlite", openSqliteBackend);
askedContract("sqlite", openSqliteBackend);

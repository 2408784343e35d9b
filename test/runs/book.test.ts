import { openSqliteBackend } from "../database/temporary.ts";
import { runStoreContract } from "./contract.ts";

runStoreContract("sqlite", openSqliteBackend);

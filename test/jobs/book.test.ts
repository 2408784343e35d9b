import { openSqliteBackend } from "../database/temporary.ts";
import { jobStoreContract } from "./contract.ts";
import { folderContract } from "./folder-contract.ts";

jobStoreContract("sqlite", openSqliteBackend);
folderContract("sqlite", openSqliteBackend);

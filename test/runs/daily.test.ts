import { openSqliteBackend } from "../database/temporary.ts";
import { dailyContract } from "./daily-contract.ts";

dailyContract("SQLite", openSqliteBackend);

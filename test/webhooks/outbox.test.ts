import { openSqliteBackend } from "../database/temporary.ts";
import { webhooksContract } from "./contract.ts";

webhooksContract("sqlite", openSqliteBackend);

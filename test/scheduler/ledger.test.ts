import { openSqliteBackend } from "../database/temporary.ts";
import { occurrencesContract } from "./contract.ts";
import { leaseContract } from "./lease-contract.ts";

occurrencesContract("sqlite", openSqliteBackend);
leaseContract("sqlite", openSqliteBackend);

import { openSqliteBackend } from "../database/temporary.ts";
import { occurrencesContract } from "./contract.ts";
import { failureContract } from "./failure-contract.ts";
import { fairContract } from "./fair-contract.ts";
import { leaseContract } from "./lease-contract.ts";
import { policyContract } from "./policy-contract.ts";

occurrencesContract("sqlite", openSqliteBackend);
leaseContract("sqlite", openSqliteBackend);
policyContract("sqlite", openSqliteBackend);
fairContract("sqlite", openSqliteBackend);
failureContract("sqlite", openSqliteBackend);

import { BACKENDS, openBossBackend } from "../database/temporary.ts";
import { claimContract } from "./contract.ts";
import { failureContract } from "./failure-contract.ts";
import { fairContract } from "./fair-contract.ts";
import { leaseContract } from "./lease-contract.ts";
import { policyContract } from "./policy-contract.ts";

for (const [name, open] of [...BACKENDS, ["pg-boss", openBossBackend] as const]) {
  claimContract(name, open);
  leaseContract(name, open);
  policyContract(name, open);
  fairContract(name, open);
  failureContract(name, open);
}

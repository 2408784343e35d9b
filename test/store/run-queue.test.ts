import { BACKENDS, openBossBackend } from "../world.ts";
import { fairContract } from "./fair-order-contract.ts";
import { leaseContract } from "./leases-contract.ts";
import { policyContract } from "./policy-contract.ts";
import { occurrencesContract } from "./run-queue-contract.ts";
import { failureContract } from "./run-queue-failures-contract.ts";

for (const [name, open] of [...BACKENDS, ["pg-boss", openBossBackend] as const]) {
  occurrencesContract(name, open);
  leaseContract(name, open);
  policyContract(name, open);
  fairContract(name, open);
  failureContract(name, open);
}

import { BACKENDS, openBossBackend } from "../world.ts";
import { fairOrderContract } from "./fair-order-contract.ts";
import { leasesContract } from "./leases-contract.ts";
import { policyContract } from "./policy-contract.ts";
import { runQueueContract } from "./run-queue-contract.ts";
import { runQueueFailuresContract } from "./run-queue-failures-contract.ts";

for (const [name, open] of [...BACKENDS, ["pg-boss", openBossBackend] as const]) {
  runQueueContract(name, open);
  leasesContract(name, open);
  policyContract(name, open);
  fairOrderContract(name, open);
  runQueueFailuresContract(name, open);
}

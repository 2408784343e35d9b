import { QUEUE_BACKENDS } from "../world.ts";
import { fairOrderContract } from "./fair-order-contract.ts";
import { leasesContract } from "./leases-contract.ts";
import { leftJobsContract } from "./left-jobs-contract.ts";
import { overlapContract } from "./overlap-contract.ts";
import { policyContract } from "./policy-contract.ts";
import { runQueueContract } from "./run-queue-contract.ts";
import { runQueueFailuresContract } from "./run-queue-failures-contract.ts";

for (const backend of QUEUE_BACKENDS) {
  runQueueContract(backend);
  leasesContract(backend);
  leftJobsContract(backend);
  overlapContract(backend);
  policyContract(backend);
  fairOrderContract(backend);
  runQueueFailuresContract(backend);
}

import { BACKENDS } from "../world.ts";
import { manualRunsContract } from "./manual-runs-contract.ts";
import { runStoreContract } from "./run-store-contract.ts";

for (const backend of BACKENDS) {
  runStoreContract(backend);
  manualRunsContract(backend);
}

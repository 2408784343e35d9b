import { BACKENDS } from "../world.ts";
import { manualRunsContract } from "./manual-runs-contract.ts";
import { runStoreContract } from "./run-store-contract.ts";

for (const [name, open] of BACKENDS) {
  runStoreContract(name, open);
  manualRunsContract(name, open);
}

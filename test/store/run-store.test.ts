import { BACKENDS } from "../world.ts";
import { askedContract } from "./manual-runs-contract.ts";
import { runStoreContract } from "./run-store-contract.ts";

for (const [name, open] of BACKENDS) {
  runStoreContract(name, open);
  askedContract(name, open);
}

import { BACKENDS } from "../world.ts";
import { askedContract } from "./asked-contract.ts";
import { runStoreContract } from "./contract.ts";

for (const [name, open] of BACKENDS) {
  runStoreContract(name, open);
  askedContract(name, open);
}

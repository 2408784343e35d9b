import { BACKENDS } from "../world.ts";
import { jobStoreContract } from "./contract.ts";
import { folderContract } from "./folder-contract.ts";

for (const [name, open] of BACKENDS) {
  jobStoreContract(name, open);
  folderContract(name, open);
}

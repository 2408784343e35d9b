import { BACKENDS } from "../world.ts";
import { folderSyncContract } from "./folder-sync-contract.ts";
import { jobStoreContract } from "./job-store-contract.ts";

for (const [name, open] of BACKENDS) {
  jobStoreContract(name, open);
  folderSyncContract(name, open);
}

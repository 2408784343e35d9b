import { BACKENDS } from "../world.ts";
import { folderSyncContract } from "./folder-sync-contract.ts";
import { jobStoreContract } from "./job-store-contract.ts";

for (const backend of BACKENDS) {
  jobStoreContract(backend);
  folderSyncContract(backend);
}

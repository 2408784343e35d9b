import { BACKENDS } from "../world.ts";
import { inboxStoreContract } from "./inbox-store-contract.ts";
import { inboxRetentionContract } from "./retention-contract.ts";

for (const backend of BACKENDS) {
  inboxStoreContract(backend);
  inboxRetentionContract(backend);
}

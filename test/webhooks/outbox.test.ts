import { BACKENDS } from "../world.ts";
import { webhookStoreContract } from "./webhook-store-contract.ts";

for (const backend of BACKENDS) webhookStoreContract(backend);

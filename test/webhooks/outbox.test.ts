import { BACKENDS } from "../world.ts";
import { webhookStoreContract } from "./webhook-store-contract.ts";

for (const [name, open] of BACKENDS) webhookStoreContract(name, open);

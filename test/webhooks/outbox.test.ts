import { BACKENDS } from "../world.ts";
import { webhooksContract } from "./webhook-store-contract.ts";

for (const [name, open] of BACKENDS) webhooksContract(name, open);

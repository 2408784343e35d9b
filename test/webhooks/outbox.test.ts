import { BACKENDS } from "../world.ts";
import { webhooksContract } from "./contract.ts";

for (const [name, open] of BACKENDS) webhooksContract(name, open);

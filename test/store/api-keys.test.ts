import { BACKENDS } from "../world.ts";
import { keyRingContract } from "./api-keys-contract.ts";

for (const [name, open] of BACKENDS) keyRingContract(name, open);

import { BACKENDS } from "../world.ts";
import { keyRingContract } from "./api-keys-contract.ts";

for (const backend of BACKENDS) keyRingContract(backend);

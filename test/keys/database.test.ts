import { BACKENDS } from "../world.ts";
import { keyRingContract } from "./contract.ts";

for (const [name, open] of BACKENDS) keyRingContract(name, open);

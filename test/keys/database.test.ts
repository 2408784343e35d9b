import { BACKENDS } from "../database/temporary.ts";
import { keyRingContract } from "./contract.ts";

for (const [name, open] of BACKENDS) keyRingContract(name, open);

import { BACKENDS } from "../world.ts";
import { contentionContract } from "./contention-contract.ts";

for (const [name, open] of BACKENDS) contentionContract(name, open);

import { contentionContract } from "./contention-contract.ts";
import { BACKENDS } from "./temporary.ts";

for (const [name, open] of BACKENDS) contentionContract(name, open);

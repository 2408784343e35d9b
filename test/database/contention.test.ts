import { BACKENDS } from "../world.ts";
import { contentionContract } from "./contention-contract.ts";

for (const backend of BACKENDS) contentionContract(backend);

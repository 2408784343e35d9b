import { BACKENDS } from "../world.ts";
import { dailyLimitsContract } from "./daily-limits-contract.ts";

for (const backend of BACKENDS) {
  dailyLimitsContract(backend);
}

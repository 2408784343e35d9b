import { BACKENDS } from "../world.ts";
import { dailyLimitsContract } from "./daily-limits-contract.ts";

for (const [name, open] of BACKENDS) {
  dailyLimitsContract(name, open);
}

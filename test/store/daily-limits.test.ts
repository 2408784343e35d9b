import { BACKENDS } from "../world.ts";
import { dailyContract } from "./daily-limits-contract.ts";

for (const [name, open] of BACKENDS) {
  dailyContract(name, open);
}

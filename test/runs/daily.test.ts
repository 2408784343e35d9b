import { BACKENDS } from "../world.ts";
import { dailyContract } from "./daily-contract.ts";

for (const [name, open] of BACKENDS) {
  dailyContract(name, open);
}

import { BACKENDS } from "../database/temporary.ts";
import { dailyContract } from "./daily-contract.ts";

for (const [name, open] of BACKENDS) {
  dailyContract(name, open);
}

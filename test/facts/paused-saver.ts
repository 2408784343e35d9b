// A process of its own that stops itself in the middle of a save's transaction, and prints what became of the save.
import { openKeyvFacts } from "../../src/facts/keyv.ts";
import { LIMITS } from "./limits.ts";

const [at = "", userKey = ""] = process.argv.slice(2);
let looks = 0;
const backend = openKeyvFacts({
  ...JSON.parse(at),
  limits: LIMITS,
  now: () => {
    // The first look at the clock is the reader's; the second is inside the transaction.
    if (++looks === 2) {
      process.stdout.write("stopping\n");
      process.kill(process.pid, "SIGSTOP");
    }
    return Date.now();
  },
});
const said = await backend
  .open(userKey)
  .save({ text: "saved by a node that was paused" })
  .then(
    ({ kind }) => kind,
    (error: { code: string }) => error.code,
  );
process.stdout.write(`${said}\n`);
await backend.close();

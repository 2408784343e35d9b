import { setPriority } from "node:os";

/** Of nice's 0 to 19: a ghost gets what the main thread leaves, and all of it when that is idle. */
const GHOST_NICENESS = 10;

// Sixteen ghosts that load at once on two cores would otherwise hold up live calls by the scheduler's turns. On Linux a
// thread has a priority of its own, and 0 is the one that asks; elsewhere it would be the whole process's.
if (process.platform === "linux") {
  try {
    setPriority(0, GHOST_NICENESS);
  } catch {
    // Not allowed here: ghosts are then as quick as people.
  }
}

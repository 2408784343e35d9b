import type { Log } from "../log.ts";
import type { WorkInProgress } from "./work.ts";

const LONGEST_TURN_MS = 200;
/** A turn is measured from one look to the next, and so by at most this much too long. */
const LOOK_MS = 20;
/** The same tool is not logged more often: a log must not become the next thing that holds everybody up. */
const QUIET_MS = 1_000;

export interface TurnWatch {
  /** Looks once. Called by a timer. */
  look(): void;
  close(): void;
}

/**
 * Logs each turn of the event loop that held everybody up for over 200 ms, with the names of the tools and methods that
 * were at work in it. A turn with little CPU time was not ours: the machine slept, or gave its cores to others.
 */
export function watchTurns({
  work,
  log,
  now = () => performance.now(),
}: {
  work: Pick<WorkInProgress, "takeNames">;
  log: Pick<Log, "warn">;
  /** Ms of a clock that nobody sets. */
  now?: () => number;
}): TurnWatch {
  let lookedAt = now();
  let cpu = process.cpuUsage();
  let quietUntil = Number.NEGATIVE_INFINITY;
  let told: ReadonlySet<string> = new Set();
  const look = () => {
    const at = now();
    const turnMs = at - lookedAt - LOOK_MS;
    lookedAt = at;
    const names = work.takeNames();
    const used = process.cpuUsage();
    const cpuMs = (used.user + used.system - cpu.user - cpu.system) / 1000;
    cpu = used;
    if (turnMs <= LONGEST_TURN_MS) return;
    if (at < quietUntil && names.every((name) => told.has(name))) return;
    quietUntil = at + QUIET_MS;
    told = new Set(names);
    const fields = { turn_ms: Math.round(turnMs), cpu_ms: Math.round(cpuMs), at_work: names.slice(0, 20) };
    log.warn(fields, "one turn of the event loop took long, and everybody waited");
  };
  const timer = setInterval(look, LOOK_MS).unref();
  return { look, close: () => clearInterval(timer) };
}

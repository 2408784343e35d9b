import { getContext } from "../context/current-context.ts";
import type { Log } from "../log.ts";

/**
 * Logs errors that nobody waits for, where Node would end the process: a promise that a tool module forgot, or what its
 * timer throws after its call was answered. An error outside of any call may have left this program itself half done,
 * and still ends it. Returns a function that stops.
 */
export function logStrayErrors(log: Log): () => void {
  const ids = () => {
    const { entityType, sessionId, runId, correlationId } = getContext() ?? {};
    return {
      entity_type: entityType,
      session_id: sessionId,
      run_id: runId,
      correlation_id: correlationId,
    };
  };
  const onRejection = (reason: unknown) =>
    log.error({ err: reason, ...ids() }, "a promise failed that nobody waits for");
  const stop = () => {
    process.off("unhandledRejection", onRejection);
    process.off("uncaughtException", onException);
  };
  const onException = (error: unknown) => {
    if (getContext())
      return log.error({ err: error, ...ids() }, "an error was thrown after its call had ended");
    // Node itself then ends the process.
    stop();
    setImmediate(() => {
      throw error;
    });
  };
  process.on("unhandledRejection", onRejection);
  process.on("uncaughtException", onException);
  return stop;
}

import type { MessagePort } from "node:worker_threads";

/** How a thread ended: `exited` by itself or because we terminated it, `crashed` by an uncaught error. */
export type ThreadExit =
  | { readonly kind: "exited"; readonly code: number }
  | { readonly kind: "crashed"; readonly error: string; readonly outOfMemory: boolean };

/** A worker thread that is used for one run. */
export interface GhostThread {
  /** The main side's end of a channel; only this thread has the other end. */
  readonly port: MessagePort;
  readonly exited: Promise<ThreadExit>;
  /**
   * Resolves when the thread has ended. A thread in a blocking system call cannot be ended before the call returns: then
   * it resolves after two seconds, and logs that. May be called twice.
   */
  terminate(): Promise<void>;
}

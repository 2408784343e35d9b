import type { MessagePort } from "node:worker_threads";

/** How a thread ended: on its own or by our hand (`exited`), or with an error that nobody caught (`crashed`). */
export type ThreadExit =
  | { readonly kind: "exited"; readonly code: number }
  | { readonly kind: "crashed"; readonly error: string; readonly outOfMemory: boolean };

/** One thread, for one use. */
export interface GhostThread {
  /** The main side's end of a channel that only this thread has the other end of. */
  readonly port: MessagePort;
  readonly exited: Promise<ThreadExit>;
  /**
   * Resolves when the thread is gone. One that is inside a blocking system call cannot be ended before the call
   * returns: then it resolves after two seconds, and the log says so. May be called twice.
   */
  terminate(): Promise<void>;
}

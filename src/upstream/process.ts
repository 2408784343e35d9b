import { type ChildProcess, spawn } from "node:child_process";
import { homedir } from "node:os";
import { ReadBuffer, serializeMessage, type Transport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import type { StdioServer } from "./config.ts";

/** Bytes of one message of a server. */
const MAX_MESSAGE_BYTES = 10 * 1024 * 1024;
/** How long a process may take to end after its input did, and again after it was told to. */
const END_MS = 1_000;

/** Those that are there now: none outlives this process, however that ends short of SIGKILL. */
const alive = new Set<number>();
const endAll = () => {
  for (const pid of alive) kill(pid, "SIGKILL");
};

/**
 * A server as a child process in a group of its own, so that what it starts itself is ended with it: `npx` and
 * `uvx` are such wrappers, and the SDK's transport ends the wrapper only. Gets the configured environment with
 * PATH and HOME, and nothing else.
 */
export function startProcess(server: StdioServer, onStderr: (text: string) => void): Transport {
  const env = { ...baseEnvironment(), ...server.env };
  const cwd = server.cwd === undefined ? {} : { cwd: server.cwd };
  // There are no process groups; the SDK finds `npx.cmd`, too.
  if (process.platform === "win32")
    return new StdioClientTransport({
      command: server.command,
      args: [...server.args],
      env,
      ...cwd,
      stderr: "ignore",
    });
  const buffer = new ReadBuffer({ maxBufferSize: MAX_MESSAGE_BYTES });
  let child: ChildProcess | undefined;
  let exited: Promise<void> = Promise.resolve();
  const transport: Transport = {
    start() {
      const started = Promise.withResolvers<void>();
      const spawned = spawn(server.command, server.args, { env, ...cwd, detached: true, stdio: "pipe" });
      child = spawned;
      exited = new Promise((resolve) => {
        spawned.once("exit", () => resolve());
        spawned.once("error", () => resolve());
      });
      spawned.once("error", (error) => started.reject(error));
      spawned.once("spawn", () => {
        remember(spawned.pid as number);
        started.resolve();
      });
      spawned.once("close", () => transport.onclose?.());
      spawned.stdin.on("error", (error) => transport.onerror?.(error));
      spawned.stderr.on("data", (chunk: Buffer) => onStderr(chunk.toString("utf8")));
      spawned.stdout.on("data", (chunk: Buffer) => {
        try {
          buffer.append(chunk);
          read(buffer, transport);
        } catch (error) {
          // A message without an end: nothing that follows could be understood.
          transport.onerror?.(error as Error);
          void transport.close();
        }
      });
      return started.promise;
    },
    send(message) {
      const stdin = child?.stdin;
      if (!stdin?.writable) return Promise.reject(new Error("the server's process has ended"));
      if (stdin.write(serializeMessage(message))) return Promise.resolve();
      return new Promise((resolve) => {
        stdin.once("drain", resolve);
        stdin.once("close", resolve);
      });
    },
    async close() {
      const ending = child;
      child = undefined;
      if (!ending) return;
      await end(ending, exited);
      buffer.clear();
      transport.onclose?.();
    },
  };
  return transport;
}

const baseEnvironment = (): Record<string, string> => ({
  PATH: process.env.PATH ?? "",
  HOME: homedir(),
});

/** A line that is no message is left out, as the SDK does: some servers print a greeting. */
function read(buffer: ReadBuffer, transport: Transport): void {
  for (;;) {
    try {
      const message = buffer.readMessage();
      if (message === null) return;
      transport.onmessage?.(message);
    } catch (error) {
      transport.onerror?.(error as Error);
    }
  }
}

/** Politely, then firmly, then for certain; with everything it has started. */
async function end(child: ChildProcess, exited: Promise<void>): Promise<void> {
  const { pid } = child;
  child.stdin?.end();
  if (pid !== undefined) {
    if (!(await within(exited, END_MS))) {
      kill(pid, "SIGTERM");
      await within(exited, END_MS);
    }
    kill(pid, "SIGKILL");
    alive.delete(pid);
  }
  await exited;
  // Somebody who left the group may still hold the other ends.
  for (const stream of child.stdio) stream?.destroy();
}

function remember(pid: number): void {
  if (alive.size === 0) {
    process.off("exit", endAll);
    process.on("exit", endAll);
  }
  alive.add(pid);
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // The whole group is gone already.
  }
}

async function within(work: Promise<void>, ms: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), ms);
  try {
    return await Promise.race([work.then(() => true), promise]);
  } finally {
    clearTimeout(timer);
  }
}

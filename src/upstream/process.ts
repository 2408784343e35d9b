import { type ChildProcess, spawn } from "node:child_process";
import { homedir } from "node:os";
import { ReadBuffer, serializeMessage, type Transport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { once } from "../lifecycle.ts";
import type { StdioUpstream } from "./config.ts";
import { MAX_MESSAGE_BYTES } from "./incoming.ts";

/** Time for a process to end after its stdin was closed, and again after SIGTERM. */
const END_MS = 1_000;

/** Running processes. None outlives this process, unless this one is killed by SIGKILL. */
const alive = new Set<number>();
const endAllAtExit = once(async () => {
  process.on("exit", () => {
    for (const pid of alive) kill(pid, "SIGKILL");
  });
});

/**
 * A server as a child process in a process group of its own, so that its children end with it: `npx` and `uvx` are
 * wrappers, and the SDK's transport ends only the wrapper. Its environment is the configured one with PATH and HOME.
 */
export function startProcess(server: StdioUpstream, onStderr: (text: string) => void): Transport {
  const env = { ...baseEnvironment(), ...server.env };
  const cwd = server.cwd === undefined ? {} : { cwd: server.cwd };
  // Windows has no process groups, and the SDK's transport finds `npx.cmd`.
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
        alive.add(spawned.pid as number);
        void endAllAtExit();
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
          // The message is too long, so the bytes that follow cannot be parsed.
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
      await endProcess(ending, exited);
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

/** Skips a line that is no message, as the SDK does: some servers print a greeting. */
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

/** Closes stdin, then sends SIGTERM, then SIGKILL, to the process and its children. */
async function endProcess(child: ChildProcess, exited: Promise<void>): Promise<void> {
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
  // A child that left the process group may still hold the other ends of the pipes.
  for (const stream of child.stdio) stream?.destroy();
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // The whole group has ended already.
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

import { spawn } from "node:child_process";
import { onTestFinished } from "vitest";
import { databaseEnvironment } from "./database-url.ts";
import { CLI, eventually } from "./harness.ts";

interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Child {
  readonly pid: number;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** The whole lines of its stdout so far. */
  readonly lines: () => readonly string[];
  /** Resolves to what `find` returns as soon as that is something. Rejects when the process ends before. */
  until(find: () => string | undefined): Promise<string>;
  /** Resolves to a line of its stdout, the first being 0. Rejects when the process ends without it. */
  line(index: number): Promise<string>;
  write(text: string): void;
  /** Closes its stdin. */
  end(): void;
  kill(signal: NodeJS.Signals): void;
  readonly exited: Promise<Exit>;
}

export interface StartOptions {
  /** The child's environment: these variables, and this process's PATH. */
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  /** Default: this Node. */
  readonly command?: string;
}

/** Starts a process with pipes, which is killed when the test has finished. */
export function start(args: readonly string[], options: StartOptions = {}): Child {
  const child = spawn(options.command ?? process.execPath, args, {
    env: { PATH: process.env.PATH ?? "", ...options.env },
    ...(options.cwd && { cwd: options.cwd }),
    stdio: "pipe",
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    stdout += chunk;
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    stderr += chunk;
  });
  // Writing to a child that has ended is an error, which the tests see as its exit.
  child.stdin.on("error", () => {});
  const exited = new Promise<Exit>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await exited.catch(() => {});
  });
  let hasExited = false;
  void exited
    .catch(() => {})
    .then(() => {
      hasExited = true;
    });
  const lines = () => stdout.split("\n").slice(0, -1);
  const until = (find: () => string | undefined) =>
    eventually(async () => {
      const found = find();
      if (found === undefined && hasExited) throw new Error(`the process has ended\n${stderr}`);
      return found;
    }, 30_000);
  return {
    pid: child.pid ?? 0,
    stdout: () => stdout,
    stderr: () => stderr,
    lines,
    until,
    line: (index) => until(() => lines()[index]),
    write: (text) => void child.stdin.write(text),
    end: () => void child.stdin.end(),
    kill: (signal) => void child.kill(signal),
    exited,
  };
}

/** Runs the command line to its end. */
export async function cli(args: readonly string[], options: StartOptions & { cli?: string } = {}) {
  const env = { ...(await databaseEnvironment(args)), ...options.env };
  const child = start([options.cli ?? CLI, ...args], { ...options, env });
  child.end();
  const { code } = await child.exited;
  return { code, stdout: child.stdout(), stderr: child.stderr() };
}

export interface StdioServer extends Child {
  // biome-ignore lint/suspicious/noExplicitAny: whatever came over the wire
  request(method: string, params?: object): Promise<any>;
  /** Calls a tool. Resolves to its structured content; rejects with the text of its error. */
  // biome-ignore lint/suspicious/noExplicitAny: whatever came over the wire
  call(name: string, args?: object): Promise<any>;
}

/** Starts a stdio server and speaks plain JSON-RPC of the 2025 era to it: tests can read every byte it writes. */
export async function startServer(
  args: readonly string[],
  options: StartOptions & { cli?: string; before?: readonly string[] } = {},
): Promise<StdioServer> {
  const env = { ...(await databaseEnvironment(args)), ...options.env };
  const program = [...(options.before ?? []), options.cli ?? CLI];
  const child = start([...program, "stdio", ...args], { ...options, env });
  // biome-ignore lint/suspicious/noExplicitAny: whatever came over the wire
  const waiting = new Map<number, { resolve: (answer: any) => void; reject: (error: Error) => void }>();
  let read = 0;
  let lastId = 0;
  const poll = setInterval(() => {
    const fresh = child.stdout().slice(read);
    const end = fresh.lastIndexOf("\n") + 1;
    read += end;
    for (const line of fresh.slice(0, end).split("\n")) {
      if (!line.startsWith("{")) continue;
      const message = JSON.parse(line);
      waiting.get(message.id)?.resolve(message);
      waiting.delete(message.id);
    }
  }, 2);
  void child.exited.then(() => {
    clearInterval(poll);
    for (const { reject } of waiting.values()) reject(new Error(`the server is gone\n${child.stderr()}`));
  });
  const request = (method: string, params: object = {}) =>
    new Promise((resolve, reject) => {
      const id = ++lastId;
      waiting.set(id, { resolve, reject });
      child.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`);
    });
  await request("initialize", {
    protocolVersion: "2025-11-25",
    capabilities: {},
    clientInfo: { name: "raw", version: "1" },
  });
  child.write(`${JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" })}\n`);
  return {
    ...child,
    request,
    async call(name, args = {}) {
      // biome-ignore lint/suspicious/noExplicitAny: whatever came over the wire
      const { result, error } = (await request("tools/call", { name, arguments: args })) as any;
      if (error || result.isError) throw new Error(`${name}: ${error?.message ?? result.content[0].text}`);
      return result.structuredContent;
    },
  };
}

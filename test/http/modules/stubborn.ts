import type { McpServer } from "@modelcontextprotocol/server";
import { defineTool } from "../../../src/tools/define.ts";

/** Shared with the test through the global object, because the test has this module in an instance of its own. */
export interface Stubborn {
  atWork: number;
  most: number;
  /** Each ends one piece of work. */
  readonly ends: (() => void)[];
}

declare global {
  var stubbornWork: Stubborn | undefined;
}

async function work(): Promise<void> {
  globalThis.stubbornWork ??= { atWork: 0, most: 0, ends: [] };
  const shared = globalThis.stubbornWork;
  shared.atWork += 1;
  shared.most = Math.max(shared.most, shared.atWork);
  await new Promise<void>((resolve) => shared.ends.push(resolve));
  shared.atWork -= 1;
}

/** Does not look at its signal. */
export const stubborn = defineTool({
  name: "stubborn",
  description: "Works until it is told to end",
  run: async () => {
    await work();
    return "done";
  },
});

/** The same for a tool that is written for the SDK. */
export function register(server: McpServer): void {
  server.registerTool("stubborn_module", { description: "Works on" }, async () => {
    await work();
    return { content: [{ type: "text", text: "done" }] };
  });
}

/** Forgets a promise that fails after its call was answered. */
export const forgetful = defineTool({
  name: "forgetful",
  description: "Forgets a promise and throws from a timer",
  run: () => {
    void Promise.reject(new Error("forgotten promise"));
    setTimeout(() => {
      throw new Error("forgotten timer");
    }, 1);
    return "done";
  },
});

/** Holds the event loop. */
export const busy = defineTool({
  name: "busy",
  description: "Holds the event loop for half a second",
  run: () => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
    return "done";
  },
});

import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { defineTool } from "../../../src/tools/define.ts";

/** Waits, reports progress, and returns the user it worked for. */
export const wait = defineTool({
  name: "wait",
  description: "Waits, then says for whom and what it was told",
  inputSchema: z.strictObject({ ms: z.number(), word: z.string() }),
  create: ({ userId, threadId }) => ({
    async run({ ms, word }: { ms: number; word: string }, { signal, progress }) {
      progress(0, 1, `${userId} ${word}`);
      await sleep(ms, undefined, { signal });
      progress(1, 1, `${userId} ${word}`);
      return { user_id: userId, thread_id: threadId, word };
    },
  }),
});

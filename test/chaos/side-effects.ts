import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { RunRow } from "../../src/database/schema.ts";

/** Lets a process that is started hundreds of times keep its compiled code. */
export const COMPILE_CACHE = { NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? "" };

/** The longest work of a run. */
const WORK_MS = 80;

/** A tool whose side effect cannot be taken back: a line with the run's id at the end of a file. */
export interface SideEffects {
  /** The module that exports `leave_mark`. */
  readonly module: string;
  /** Ids of the runs that left one. */
  read(): string[];
}

export function writeSideEffectTool(dir: string): SideEffects {
  const module = join(dir, "mark.mjs");
  const marks = join(dir, "marks");
  writeFileSync(marks, "");
  writeFileSync(
    module,
    `import { appendFileSync } from "node:fs";
     export const mark = {
       name: "leave_mark",
       description: "Leaves a mark.",
       // Written by hand: nothing has to be loaded to check it.
       inputSchema: { "~standard": { version: 1, vendor: "mark", validate: (value) => ({ value }),
         jsonSchema: { input: () => ({ type: "object" }), output: () => ({ type: "object" }) } } },
       create: ({ runId }) => ({
         run: async () => {
           appendFileSync(${JSON.stringify(marks)}, runId + "\\n");
           await new Promise((done) => setTimeout(done, Math.random() * ${WORK_MS}));
           return "left";
         },
       }),
     };`,
  );
  return { module, read: () => readFileSync(marks, "utf8").split("\n").filter(Boolean) };
}

/** Every run left at most one mark: those that succeeded did, those that were skipped did not. */
export function checkSideEffects(runs: readonly RunRow[], marks: readonly string[]): void {
  expect(new Set(marks).size, "a run whose side effect happened twice").toBe(marks.length);
  const had = new Set(marks);
  for (const { run_id, status } of runs) {
    if (status === "succeeded") expect(had.has(run_id), `${run_id} ${status}`).toBe(true);
    if (status === "skipped") expect(had.has(run_id), `${run_id} ${status}`).toBe(false);
    had.delete(run_id);
  }
  expect([...had], "marks of unknown runs").toEqual([]);
}

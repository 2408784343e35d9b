import { EventEmitter } from "node:events";
import type { Worker } from "node:worker_threads";
import { expect, it, onTestFinished } from "vitest";
import { watchMemory } from "../../src/scheduler/worker.ts";
import { eventually } from "../harness.ts";

/** A thread as Node shows it: before it runs, and when it has ended, its heap statistics are an error. */
function threadOf(answers: (number | "not running")[]) {
  let asked = 0;
  const worker = Object.assign(new EventEmitter(), {
    async getHeapStatistics() {
      const answer = answers[Math.min(asked++, answers.length - 1)];
      if (answer === "not running") throw new Error("Worker instance not running");
      return { used_heap_size: 0, external_memory: answer };
    },
  });
  return { worker: worker as unknown as Worker & EventEmitter, asked: () => asked };
}

it("a thread that is slow to begin is watched all the same", async () => {
  const { worker } = threadOf(["not running", "not running", 1, 10 ** 9]);
  let exceeded = 0;
  onTestFinished(watchMemory(worker, 64, () => exceeded++));
  await eventually(async () => exceeded > 0);
  await new Promise((go) => setTimeout(go, 300));
  expect(exceeded).toBe(1);
});

it("a thread that is gone is not asked again", async () => {
  const { worker, asked } = threadOf([1]);
  onTestFinished(watchMemory(worker, 64, () => {}));
  await eventually(async () => asked() > 0);
  worker.emit("exit", 0);
  const before = asked();
  await new Promise((go) => setTimeout(go, 300));
  expect(asked()).toBe(before);
});

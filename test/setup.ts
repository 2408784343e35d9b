import { beforeEach, onTestFinished } from "vitest";

/** Kinds of resources that a test must not leave open: a leak in a test is a leak in the product. */
const WATCHED =
  /^(?:Timeout|Immediate|Worker|MessagePort|ProcessWrap|PipeWrap|TCPSocketWrap|TCPServerWrap|FSEventWrap|FSReqCallback)$/;
const SETTLE_MS = 3_000;

const count = (): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo())
    if (WATCHED.test(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
};

beforeEach(() => {
  const before = count();
  // Registered first, so it runs last: after everything else that the test does when it is finished.
  onTestFinished(() => settled(before));
});

async function settled(before: ReadonlyMap<string, number>): Promise<void> {
  const deadline = Date.now() + SETTLE_MS;
  for (;;) {
    const left = [...count()].filter(([kind, n]) => n > (before.get(kind) ?? 0));
    if (left.length === 0) return;
    if (Date.now() > deadline) {
      const named = left.map(([kind, n]) => `${n - (before.get(kind) ?? 0)} ${kind}`).join(", ");
      throw new Error(`the test left open: ${named}`);
    }
    // Unreferenced, so that it is not counted itself.
    await new Promise((resolve) => setTimeout(resolve, 20).unref());
  }
}

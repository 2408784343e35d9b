import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { ROOT, tempDir } from "../harness.ts";

const ABANDON = `${ROOT}test/http/modules/abandon.ts`;

it("5,000 abandoned sessions leave the heap where it was", async () => {
  const args = ["--expose-gc", ABANDON, await tempDir()];
  const options = { timeout: 500_000, env: { PATH: process.env.PATH ?? "" } };
  const { stdout } = await promisify(execFile)(process.execPath, args, options);
  const { opened, left, contexts, grownKb } = JSON.parse(stdout);
  expect({ opened, left, contexts }).toEqual({ opened: 5_000, left: 0, contexts: 0 });
  // Less than half a KiB for each session: none of them is kept.
  expect(grownKb).toBeLessThan(2_500);
});

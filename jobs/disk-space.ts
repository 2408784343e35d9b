// A code job: runs in a worker thread of its own, without a model. Its output is read with get_run.
import { statfs } from "node:fs/promises";
import type { JobSpec } from "nightshift";

const WARN_BELOW_PERCENT = 10;

export default {
  name: "Disk space",
  every: "6h",
  timeout_seconds: 30,
  async run(ghost) {
    const { bavail, blocks, bsize } = await statfs(".");
    const freePercent = Math.round((bavail / blocks) * 100);
    const freeGb = ((bavail * bsize) / 1e9).toFixed(1);
    ghost.note(`${freeGb} GB of the disk are free, ${freePercent} %`);
    return freePercent < WARN_BELOW_PERCENT
      ? `Disk is nearly full: ${freeGb} GB left`
      : `Fine: ${freeGb} GB free`;
  },
} satisfies JobSpec;

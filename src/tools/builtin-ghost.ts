import { currentTime } from "./current-time.ts";
import type { ToolDefinition } from "./define.ts";
import { ghostFactTools } from "./facts.ts";
import { runReaders } from "./runs.ts";
import type { Services } from "./services.ts";
import { whoami } from "./whoami.ts";

/** The tools of every ghost. None of them schedules anything, and the two for facts find no memory. */
export const ghostTools: readonly ToolDefinition<Services>[] = [
  whoami,
  currentTime,
  ...ghostFactTools,
  ...runReaders,
];

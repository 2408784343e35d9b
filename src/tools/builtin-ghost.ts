import { currentTime } from "./current-time.ts";
import type { ToolDefinition } from "./define.ts";
import { memoryPair } from "./facts.ts";
import { runReaders } from "./runs.ts";
import type { Services } from "./services.ts";
import { whoami } from "./whoami.ts";

/** What every ghost is offered: nothing here schedules, and the memory pair has no memory behind it. */
export const ghostTools: readonly ToolDefinition<Services>[] = [
  whoami,
  currentTime,
  ...memoryPair,
  ...runReaders,
];

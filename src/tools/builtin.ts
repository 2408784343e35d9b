import { currentTime } from "./current-time.ts";
import type { ToolDefinition } from "./define.ts";
import { factTools } from "./facts.ts";
import { inbox } from "./inbox.ts";
import { jobTools } from "./jobs/manage.ts";
import { previewSchedule, scheduleTask } from "./jobs/schedule.ts";
import { runTools } from "./runs.ts";
import type { Services } from "./services.ts";
import { whoami } from "./whoami.ts";

/** The tools of a connection, in the order of `tools/list`. */
export const peopleTools: readonly ToolDefinition<Services>[] = [
  whoami,
  currentTime,
  ...factTools,
  scheduleTask,
  previewSchedule,
  ...jobTools,
  ...runTools,
  inbox,
];

import { currentTime } from "./current-time.ts";
import type { ToolDefinition } from "./define.ts";
import { factTools } from "./facts.ts";
import { inbox } from "./inbox.ts";
import { jobTools } from "./jobs/manage.ts";
import { previewSchedule, scheduleTask } from "./jobs/schedule.ts";
import { runTools } from "./runs.ts";
import type { Services } from "./services.ts";
import { setTimezone } from "./timezone.ts";
import { whoami } from "./whoami.ts";

type Tools = readonly ToolDefinition<Services>[];

const EVERYBODYS: Tools = [whoami, currentTime];

/** The parts that an operator may offer alone, in the order of `tools/list`. */
const TOOLS_OF_SET: Readonly<Record<string, Tools>> = {
  memory: factTools,
  schedule: [scheduleTask, previewSchedule, ...jobTools, ...runTools, inbox, setTimezone],
};

/** The tools of a connection that is offered these sets, in the order of `tools/list`. */
export const toolsIn = (names: readonly string[]): Tools => [
  ...EVERYBODYS,
  ...Object.entries(TOOLS_OF_SET).flatMap(([name, tools]) => (names.includes(name) ? tools : [])),
];

/** All the tools of a connection. */
export const peopleTools: Tools = toolsIn(Object.keys(TOOLS_OF_SET));

import { Command, type Option } from "commander";
import type { Values } from "./options.ts";

/** Makes of a command's work an action for Commander. */
export type Runner = (
  work: (values: Values, args: string[]) => Promise<number>,
) => (...given: unknown[]) => Promise<void>;

/** A command with its flags and its examples. */
export function command(
  name: string,
  description: string,
  options: readonly Option[],
  examples: readonly string[],
): Command {
  const made = new Command(name).description(description);
  for (const option of options) made.addOption(option);
  if (examples.length > 0)
    made.addHelpText("after", `\nExamples:\n${examples.map((line) => `  $ nightshift ${line}`).join("\n")}`);
  return made;
}

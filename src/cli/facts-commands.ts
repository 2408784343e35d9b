import { type Command, Option } from "commander";
import { command, configFrom, DATA_OPTIONS, type Runner } from "./command.ts";

const tags = new Option("--tags <tag...>", "words to filter by");

/** Defines `nightshift facts`. */
export function factsCommand(run: Runner): Command {
  const facts = command("facts", "Look at a user's memory and change it", [], ["facts list --user alice"]);
  const load = () => import("./facts.ts");
  facts.addCommand(
    command("list", "List all facts, newest first", DATA_OPTIONS, ["facts list", "facts list --json"]).action(
      run(async (flags) => (await load()).printFacts(configFrom(flags), flags)),
    ),
  );
  facts.addCommand(
    command(
      "search",
      "Find facts, best match first",
      [...DATA_OPTIONS, tags],
      ['facts search "coffee or tea"'],
    )
      .argument("<query>")
      .action(
        run(async (flags, [query = ""]) => (await load()).searchFacts(configFrom(flags), query, flags)),
      ),
  );
  facts.addCommand(
    command(
      "save",
      "Save a fact",
      [...DATA_OPTIONS, tags],
      ['facts save "Takes tea without sugar." --tags drinks'],
    )
      .argument("<fact>")
      .action(run(async (flags, [fact = ""]) => (await load()).saveFact(configFrom(flags), fact, flags))),
  );
  facts.addCommand(
    command("forget", "Delete a fact for good", DATA_OPTIONS, ["facts forget fact_…"])
      .argument("<fact_id>")
      .action(run(async (flags, [id = ""]) => (await load()).forgetFact(configFrom(flags), id, flags))),
  );
  facts.addCommand(
    command("export", "Print all facts of the user as JSON Lines", DATA_OPTIONS, [
      "facts export --user alice > alice.jsonl",
    ]).action(run(async (flags) => (await load()).exportFacts(configFrom(flags)))),
  );
  facts.addCommand(
    command("import", "Save the facts of an export; those that are known stay as they are", DATA_OPTIONS, [
      "facts import alice.jsonl --user alice",
    ])
      .argument("<file>")
      .action(run(async (flags, [file = ""]) => (await load()).importFacts(configFrom(flags), file, flags))),
  );
  return facts;
}

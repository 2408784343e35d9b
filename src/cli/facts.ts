import { readFile } from "node:fs/promises";
import { z } from "zod";
import type { Config } from "../config.ts";
import type { OpenContext } from "../connection/connection.ts";
import { NightshiftError } from "../errors.ts";
import { DAY_MS } from "../jobs/time.ts";
import type { showFact } from "../tools/facts.ts";
import { asUser, callUserTool } from "./as-user.ts";
import type { Flags } from "./command.ts";
import { oneLine, print, printJson, table } from "./output.ts";

type ShownFact = ReturnType<typeof showFact>;

async function allFacts(context: OpenContext): Promise<readonly ShownFact[]> {
  const facts: ShownFact[] = [];
  let cursor: string | undefined;
  do {
    const args = { limit: 100, ...(cursor && { cursor }) };
    const page = await callUserTool<{ facts: ShownFact[]; next_cursor?: string }>(
      context,
      "list_facts",
      args,
    );
    facts.push(...page.facts);
    cursor = page.next_cursor;
  } while (cursor);
  return facts;
}

function show(facts: readonly ShownFact[], json: unknown, otherwise: string): number {
  if (json) printJson({ facts });
  else if (facts.length === 0) print(otherwise);
  else
    print(
      table(
        ["FACT", "SAVED", "TAGS", "TEXT"],
        facts.map(({ fact_id, created_at, tags, fact }) => [
          fact_id,
          created_at.slice(0, 10),
          oneLine(tags.join(", "), 30),
          oneLine(fact, 100),
        ]),
      ),
    );
  return 0;
}

export const printFacts = (config: Config, { json }: Flags): Promise<number> =>
  asUser(config, async (context) => show(await allFacts(context), json, "Nothing is saved."));

export const searchFacts = (config: Config, query: string, { json, tags }: Flags): Promise<number> =>
  asUser(config, async (context) => {
    const found = await callUserTool<{ facts: ShownFact[] }>(context, "recall_facts", { query, tags });
    return show(found.facts, json, "Nothing saved matches.");
  });

export const saveFact = (config: Config, fact: string, { json, tags }: Flags): Promise<number> =>
  asUser(config, async (context) => {
    const saved = await callUserTool<{ status: string; fact_id: string }>(context, "save_fact", {
      fact,
      tags,
    });
    if (json) printJson(saved);
    else print(`${saved.fact_id}  ${saved.status === "saved" ? "saved" : "known already"}`);
    return 0;
  });

export const forgetFact = (config: Config, id: string, { json }: Flags): Promise<number> =>
  asUser(config, async (context) => {
    const forgotten = await callUserTool<{ fact_id: string }>(context, "forget_fact", { fact_id: id });
    if (json) printJson(forgotten);
    else print(`${forgotten.fact_id}  forgotten`);
    return 0;
  });

const EXPORT_VERSION = 1;

/** The first line of an export. */
const header = z.object({ nightshift_facts: z.literal(EXPORT_VERSION) });
/** Each other line. */
const exported = z.object({
  fact: z.string(),
  tags: z.array(z.string()),
  created_at: z.iso.datetime(),
  expires_at: z.iso.datetime().nullable(),
});

/** Prints JSON Lines: a header with the version, then a fact a line, oldest first. */
export const exportFacts = (config: Config): Promise<number> =>
  asUser(config, async (context) => {
    const lines = (await allFacts(context)).toReversed().map(({ fact_id: _, ...fact }) => fact);
    // JSON.stringify escapes control characters; what turns text around is data here, and not for a terminal.
    for (const line of [{ nightshift_facts: EXPORT_VERSION }, ...lines])
      process.stdout.write(`${JSON.stringify(line)}\n`);
    return 0;
  });

/**
 * Saves the facts of an export. May be done again: a fact that is known stays as it is. One that has expired is left out.
 * Rejects with CONFIG_INVALID, which names the line, before anything is saved.
 */
export const importFacts = (config: Config, file: string, { json }: Flags): Promise<number> =>
  asUser(config, async (context) => {
    const facts = readExport(await readFile(file, "utf8"));
    const counts = { saved: 0, duplicate: 0, expired: 0 };
    for (const { fact, tags, expires_at } of facts) {
      const days = expires_at === null ? undefined : (Date.parse(expires_at) - Date.now()) / DAY_MS;
      if (days !== undefined && days <= 0) {
        counts.expired += 1;
        continue;
      }
      const args = {
        fact,
        ...(tags.length > 0 && { tags }),
        ...(days !== undefined && { expires_in_days: days }),
      };
      const { status } = await callUserTool<{ status: "saved" | "duplicate" }>(context, "save_fact", args);
      counts[status] += 1;
    }
    if (json) printJson(counts);
    else print(`${counts.saved} saved, ${counts.duplicate} known already, ${counts.expired} expired`);
    return 0;
  });

function readExport(text: string): z.output<typeof exported>[] {
  const [first = "", ...rest] = text.split("\n").filter((line) => line.trim() !== "");
  readLine(header, first, 1);
  return rest.map((line, index) => readLine(exported, line, index + 2));
}

function readLine<T>(schema: z.ZodType<T>, line: string, number: number): T {
  try {
    return schema.parse(JSON.parse(line));
  } catch (cause) {
    throw new NightshiftError(
      "CONFIG_INVALID",
      `Line ${number} is not of an export that this Nightshift reads (nightshift facts export makes one).`,
      {},
      { cause },
    );
  }
}

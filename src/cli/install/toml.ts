import { parse, patch, stringify, TomlFormat } from "@decimalturn/toml-patch";
import { badLine, eolOf, type Format } from "./format.ts";

export const toml: Format = {
  parse(text) {
    try {
      return parse(text);
    } catch (error) {
      const { line } = error as { line?: number };
      if (line === undefined) throw error;
      throw badLine(line, String((error as Error).message.split("\n").at(-1)));
    }
  },
  *edits(text, [servers, name], entry) {
    const values = parse(text) as Record<string, Record<string, unknown>>;
    const { [name]: old, ...others } = values[servers] ?? {};
    const rest: Record<string, unknown> = { ...values, [servers]: others };
    if (Object.keys(others).length === 0) delete rest[servers];
    const without = old === undefined ? text : patch(text, rest, formatOf(text));
    if (!entry) return yield without;
    // An entry that is not at the end is changed where it is.
    if (text.startsWith(without.trimEnd())) yield withSections(without, { [servers]: { [name]: entry } });
    yield patch(text, { ...values, [servers]: { ...others, [name]: entry } }, formatOf(text));
  },
};

/** Each table gets a section of its own, as Codex writes them. */
function formatOf(text: string): TomlFormat {
  const format = TomlFormat.autoDetectFormat(text);
  format.inlineTableStart = Number.MAX_SAFE_INTEGER;
  return format;
}

/** Puts the sections of a new entry at the end of the text. */
function withSections(text: string, values: object): string {
  const eol = eolOf(text);
  // The first section is that of the servers themselves, and empty.
  const [, ...sections] = stringify(values, formatOf("")).split("\n\n");
  const isEmpty = text.trim() === "";
  return `${isEmpty ? text : text.trimEnd() + eol + eol}${sections.join("\n\n").trimEnd().replaceAll("\n", eol)}${eol}`;
}

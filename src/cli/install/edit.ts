import { isDeepStrictEqual } from "node:util";
import { NightshiftError } from "../../errors.ts";
import type { EntryPath, Format, FormatName } from "./format.ts";
import { jsonc } from "./jsonc.ts";
import { toml } from "./toml.ts";
import { yaml } from "./yaml.ts";

const FORMATS: Readonly<Record<FormatName, Format>> = { jsonc, toml, yaml };

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const BOM = "\ufeff";

/** The file's entry at `path`; undefined when there is none. Throws CONFIG_INVALID for a file that cannot be read. */
export function readEntry(
  format: FormatName,
  text: string,
  path: EntryPath,
): Record<string, unknown> | undefined {
  const [, entry] = read(format, withoutBom(text), path);
  return isObject(entry) ? entry : undefined;
}

/**
 * The text with `entry` at `path`, or without what is there when `entry` is undefined. All else keeps its values, its
 * order and its comments. Throws CONFIG_INVALID when the file cannot be read, or cannot be edited so.
 */
export function editEntry(
  format: FormatName,
  text: string,
  path: EntryPath,
  entry: object | undefined,
): string {
  const [values, old] = read(format, withoutBom(text), path);
  if (isDeepStrictEqual(plainOf(old), plainOf(entry))) return text;
  const [servers, name] = path;
  const { [servers]: before, ...others } = values;
  const { [name]: _old, ...rest } = isObject(before) ? before : {};
  const map = plainOf(entry ? { ...rest, [name]: entry } : rest);
  const wanted = entry || Object.keys(rest).length > 0 ? { ...others, [servers]: map } : others;
  const { parse, edits } = FORMATS[format];
  for (const edited of edits(withoutBom(text), path, entry))
    if (isDeepStrictEqual(valuesOf(parse, edited, servers), wanted))
      return text.startsWith(BOM) ? BOM + edited : edited;
  throw new NightshiftError(
    "CONFIG_INVALID",
    "this file cannot be edited without changing something else in it",
  );
}

const withoutBom = (text: string): string => (text.startsWith(BOM) ? text.slice(1) : text);

/** The values of an edited text, in objects like those that they are compared with; undefined when it cannot be read. */
function valuesOf(parse: Format["parse"], text: string, servers: string): unknown {
  try {
    const values = { ...(parse(text) ?? {}) } as Record<string, unknown>;
    return servers in values ? { ...values, [servers]: plainOf(values[servers]) } : values;
  } catch {
    return undefined;
  }
}

/** The value without what a format's parser adds to its objects. */
const plainOf = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(plainOf);
  if (!isObject(value) || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plainOf(inner)]));
};

function read(
  format: FormatName,
  text: string,
  [servers, name]: EntryPath,
): [values: Record<string, unknown>, entry: unknown] {
  const values = FORMATS[format].parse(text) ?? {};
  if (!isObject(values))
    throw new NightshiftError("CONFIG_INVALID", "line 1: this is not a list of settings");
  const map = values[servers] ?? {};
  if (!isObject(map)) throw new NightshiftError("CONFIG_INVALID", `"${servers}" is not a map`);
  return [values, map[name]];
}

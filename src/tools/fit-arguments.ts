import type { JsonSchema } from "./schema.ts";

/** Levels of a value that comes as JSON text: the transport's own limit does not see into texts. */
const MAX_TEXT_DEPTH = 64;

/**
 * Arguments as models send them, in the form that the schema asks for: null or an empty text for an optional argument
 * that does not take it is absent; "5" is a number, "true" a boolean, and JSON text an array or an object, where the
 * schema takes those and no text. Whatever else there is stays as it is, for the validator to judge.
 */
export function fitArguments(schema: JsonSchema, given: unknown): unknown {
  const value = typeof given === "string" && !takes(schema, "string") ? readText(schema, given) : given;
  if (Array.isArray(value)) {
    const items = formFor(schema, "array")?.items as JsonSchema | undefined;
    return items ? value.map((item) => fitArguments(items, item)) : value;
  }
  if (typeof value !== "object" || value === null) return value;
  const form = formFor(schema, "object");
  return form?.properties ? fitProperties(form, value) : value;
}

function fitProperties({ properties, required = [] }: JsonSchema, value: object): object {
  const known = properties as Readonly<Record<string, JsonSchema>>;
  const fitted = Object.entries(value).flatMap(([name, given]) => {
    const property = Object.hasOwn(known, name) ? known[name] : undefined;
    if (!property) return [[name, given] as const];
    const isOptional = !(required as readonly string[]).includes(name);
    return isOptional && isUnset(property, given) ? [] : [[name, fitArguments(property, given)] as const];
  });
  return Object.fromEntries(fitted);
}

const isUnset = (schema: JsonSchema, given: unknown): boolean =>
  (given === null && !takes(schema, "null")) ||
  (typeof given === "string" && given.trim() === "" && !takesEmptyText(schema));

function takesEmptyText(schema: JsonSchema): boolean {
  const form = formFor(schema, "string");
  return form !== undefined && !form.minLength && !form.enum && !form.pattern && !form.format;
}

/** The alternatives of a schema. One of a form that is not known here takes everything. */
const formsOf = (schema: JsonSchema): readonly JsonSchema[] =>
  ((schema.anyOf ?? schema.oneOf) as readonly JsonSchema[] | undefined)?.flatMap(formsOf) ?? [schema];

const isOfKind = ({ type }: JsonSchema, kind: string): boolean =>
  type === undefined || type === kind || (Array.isArray(type) && type.includes(kind));

const formFor = (schema: JsonSchema, kind: string): JsonSchema | undefined =>
  formsOf(schema).find((form) => isOfKind(form, kind));

const takes = (schema: JsonSchema, kind: string): boolean => formFor(schema, kind) !== undefined;

/** The value that a text stands for; the text itself where that is not certain. */
function readText(schema: JsonSchema, text: string): unknown {
  const word = text.trim();
  const isNumber = /^[+-]?\d{1,15}(?:\.\d{1,15})?$/.test(word);
  if (isNumber && (takes(schema, "number") || takes(schema, "integer"))) return Number(word);
  if (/^(?:true|false)$/i.test(word) && takes(schema, "boolean")) return word.toLowerCase() === "true";
  const kind = word.startsWith("[") ? "array" : word.startsWith("{") ? "object" : undefined;
  if (!kind || !takes(schema, kind)) return text;
  try {
    const value: unknown = JSON.parse(word);
    return isDeeper(value, MAX_TEXT_DEPTH) ? text : value;
  } catch {
    return text;
  }
}

const isDeeper = (value: unknown, levels: number): boolean =>
  typeof value === "object" &&
  value !== null &&
  (levels === 0 || Object.values(value).some((part) => isDeeper(part, levels - 1)));

import type { JsonSchema } from "./schema.ts";

/*
 * The schema of a built-in tool's arguments, as `tools/list` shows it: short, because every conversation pays for it; of
 * few keywords, because the API of some models refuses a whole list for one that it does not know; and as wide as what
 * `fitArguments` takes, because some clients check by it.
 */

/** The keywords of a listed schema of a built-in tool. */
export const LISTED_KEYWORDS: readonly string[] = [
  "type",
  "description",
  "properties",
  "required",
  "additionalProperties",
  "items",
  "enum",
  "anyOf",
];

/**
 * Zod's `meta` brings in two words of ours: `unlisted` marks an argument that is taken and not shown, `brief` one of
 * which no more is shown than its type.
 */
type Properties = Readonly<Record<string, JsonSchema & { readonly unlisted?: boolean }>>;

/** The kinds of value that take JSON text in their place. */
const GIVEN_AS_TEXT = new Set(["number", "integer", "boolean", "array", "object"]);

/** The listed form of a schema. Bounds, lengths and defaults are left out: the error of a call names them. */
export function toListedSchema(schema: JsonSchema): JsonSchema {
  const { properties, required = [], items, anyOf, description } = schema;
  const words = schema.brief ? ["type", "items", "anyOf"] : LISTED_KEYWORDS;
  const kept = Object.entries(schema).filter(([word]) => words.includes(word));
  const listed: Record<string, unknown> = Object.fromEntries(kept);
  if (anyOf) listed.anyOf = (anyOf as JsonSchema[]).map(toListedSchema);
  if (items) listed.items = toListedSchema(items as JsonSchema);
  if (!properties || schema.brief) return listed;
  const shown = Object.entries(properties as Properties).filter(([, { unlisted }]) => !unlisted);
  // An object of which nothing is shown is any object here.
  if (shown.length === 0 && Object.keys(properties).length > 0)
    return { type: "object", ...(description !== undefined && { description }) };
  listed.properties = Object.fromEntries(
    shown.map(([name, property]) => [name, widen(property, (required as string[]).includes(name))]),
  );
  return listed;
}

/** Adds the forms that `fitArguments` takes: text in place of what is none, and null for what may be absent. */
function widen(property: JsonSchema, isRequired: boolean): JsonSchema {
  const { description, additionalProperties: _, ...schema } = toListedSchema(property);
  const forms = (schema.anyOf as JsonSchema[] | undefined) ?? [schema];
  const kinds = forms.map(({ type }) => String(type));
  const isAny = kinds.includes("undefined");
  const wider = [
    ...forms,
    ...(kinds.some((kind) => GIVEN_AS_TEXT.has(kind)) && !kinds.includes("string")
      ? [{ type: "string" }]
      : []),
    ...(!isRequired && !isAny && !kinds.includes("null") ? [{ type: "null" }] : []),
  ];
  const [only] = wider;
  return {
    ...(wider.length === 1 ? only : { anyOf: wider }),
    ...(description !== undefined && { description }),
  };
}

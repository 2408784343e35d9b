/** Plain JSON Schema. */
export type JsonSchema = { readonly [key: string]: unknown };

interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

type Validated<T> = { readonly value: T } | { readonly issues: readonly Issue[] };

/** https://standardschema.dev with the JSON Schema trait, which zod 4.2 and later, Valibot and ArkType have. */
export interface StandardSchema<T> {
  readonly "~standard": {
    readonly validate: (value: unknown) => Validated<T> | Promise<Validated<T>>;
    readonly jsonSchema?: {
      readonly input: (options: { target: "draft-2020-12" }) => Record<string, unknown>;
      readonly output: (options: { target: "draft-2020-12" }) => Record<string, unknown>;
    };
  };
}

export type Schema<T> = StandardSchema<T> | JsonSchema;

/** A schema that is built at its first use: most ghosts use few of their tools, and schemas take time to build. */
export function lazySchema<T>(build: () => StandardSchema<T>): StandardSchema<T> {
  let built: StandardSchema<T> | undefined;
  return {
    get "~standard"() {
      built ??= build();
      return built["~standard"];
    },
  };
}

export const isStandard = (value: unknown): value is StandardSchema<unknown> =>
  typeof value === "object" && value !== null && "~standard" in value;

/** The JSON Schema of either kind. Throws for a Standard Schema without the trait. */
export function toJsonSchema(schema: Schema<unknown>, side: "input" | "output"): JsonSchema {
  if (!isStandard(schema)) return schema;
  const trait = schema["~standard"].jsonSchema;
  if (!trait)
    throw new Error("the schema library has no JSON Schema; use zod 4.2 or later, or JSON Schema itself");
  const { $schema: _dialect, ...json } = trait[side]({ target: "draft-2020-12" });
  return trim(json, side) as JsonSchema;
}

const SCHEMA_KEYWORDS = new Set([
  "items",
  "additionalProperties",
  "propertyNames",
  "contains",
  "not",
  "if",
  "then",
  "else",
]);
const SCHEMA_LIST_KEYWORDS = new Set(["anyOf", "oneOf", "allOf", "prefixItems"]);
const SCHEMA_MAP_KEYWORDS = new Set([
  "properties",
  "patternProperties",
  "dependentSchemas",
  "$defs",
  "definitions",
]);

/**
 * Drops keywords that carry no information: JSON keys are always strings, and further properties are allowed by default.
 * For output it also drops `additionalProperties: false`, which clients have no use for. Rewrites what the API of some
 * models refuses, with all the tools beside it: exclusive bounds and lists of types.
 */
function trim(schema: unknown, side: "input" | "output"): unknown {
  if (typeof schema !== "object" || schema === null) return schema;
  const { type, ...rest } = schema as JsonSchema;
  if (Array.isArray(type)) return trim(withoutTypeList(type, rest), side);
  const trimmed = Object.entries(withoutExclusiveBounds(schema as JsonSchema))
    .filter(([word, value]) => !isEmptyWord(word, value, side))
    .map(([word, value]) => {
      if (SCHEMA_KEYWORDS.has(word)) return [word, trim(value, side)];
      if (SCHEMA_LIST_KEYWORDS.has(word)) return [word, (value as unknown[]).map((part) => trim(part, side))];
      if (!SCHEMA_MAP_KEYWORDS.has(word)) return [word, value];
      const named = Object.entries(value as object).map(([name, part]) => [name, trim(part, side)]);
      return [word, Object.fromEntries(named)];
    });
  return Object.fromEntries(trimmed);
}

/** An alternative for each type; the type is left out where parts of the schema would have to be repeated for each. */
function withoutTypeList(types: readonly unknown[], rest: JsonSchema): JsonSchema {
  const hasParts = Object.values(rest).some((value) => typeof value === "object" && !Array.isArray(value));
  if (hasParts || rest.anyOf || rest.oneOf || rest.allOf) return rest;
  return { anyOf: types.map((type) => ({ type, ...rest })) };
}

/** Of a whole number the bound is moved by one; of another number the bound itself is let in, and the validator refuses it. */
function withoutExclusiveBounds(schema: JsonSchema): JsonSchema {
  const { exclusiveMinimum, exclusiveMaximum, ...rest } = schema;
  const step = rest.type === "integer" ? 1 : 0;
  return {
    ...rest,
    ...(typeof exclusiveMinimum === "number" && { minimum: exclusiveMinimum + step }),
    ...(typeof exclusiveMaximum === "number" && { maximum: exclusiveMaximum - step }),
  };
}

function isEmptyWord(word: string, value: unknown, side: "input" | "output"): boolean {
  if (word === "minimum" || word === "maximum") return Math.abs(Number(value)) >= Number.MAX_SAFE_INTEGER;
  if (word === "propertyNames") return JSON.stringify(value) === '{"type":"string"}';
  if (word !== "additionalProperties") return false;
  return value === false ? side === "output" : JSON.stringify(value) === "{}";
}

/** Parses `value`: resolves to the parsed value, or to one sentence for each problem. */
export async function parseWith<T>(
  schema: Schema<T>,
  value: unknown,
): Promise<{ value: T } | { problems: readonly string[] }> {
  const standard = isStandard(schema) ? schema : await standardOf(schema);
  const checked = await standard["~standard"].validate(value);
  if (!("issues" in checked) || !checked.issues) return { value: (checked as { value: T }).value };
  const problems = checked.issues.map(describeIssue);
  return { problems: isStandard(schema) ? problems : [...unknownKeys(schema, value), ...problems] };
}

/** Names unknown keys, which the validator for JSON Schema only counts. */
function unknownKeys(
  { properties, patternProperties, additionalProperties }: JsonSchema,
  value: unknown,
): string[] {
  if (additionalProperties !== false || patternProperties || !value || typeof value !== "object") return [];
  return Object.keys(value).flatMap((key) =>
    Object.hasOwn((properties ?? {}) as object, key) ? [] : [`unrecognized key "${key}"`],
  );
}

function describeIssue(issue: Issue): string {
  const path = (issue.path ?? []).map((part) => String(typeof part === "object" ? part.key : part)).join(".");
  return path ? `${path}: ${issue.message}` : issue.message;
}

const validators = new WeakMap<JsonSchema, StandardSchema<unknown>>();

/** The SDK's validator for JSON Schema, loaded only when a tool needs it. */
async function standardOf(schema: JsonSchema): Promise<StandardSchema<unknown>> {
  const known = validators.get(schema);
  if (known) return known;
  const { fromJsonSchema } = await import("@modelcontextprotocol/server");
  const made = fromJsonSchema(schema as never) as unknown as StandardSchema<unknown>;
  validators.set(schema, made);
  return made;
}

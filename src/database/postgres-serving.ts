import type { Database } from "./database.ts";

/** The name of a connection of a `nightshift serve` that runs jobs of these kinds. */
export const servingName = (kinds: readonly string[]): string => `nightshift serve ${kinds.join(",")}`;

/** The kinds of jobs that some connected `nightshift serve` runs; none where this role may not see the others' names. */
export async function readServedKinds({ kysely }: Pick<Database, "kysely">): Promise<string[]> {
  const { CompiledQuery } = await import("kysely");
  const { rows } = await kysely.executeQuery<{ name: string }>(
    CompiledQuery.raw(
      "select application_name as name from pg_stat_activity where datname = current_database() and application_name like 'nightshift serve %'",
    ),
  );
  return rows.flatMap(({ name }) => name.split(" ").at(-1)?.split(",") ?? []);
}

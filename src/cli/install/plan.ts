import { existsSync } from "node:fs";
import { messageOf } from "../../errors.ts";
import { CLIENTS, type Client, type Machine, pathsOn } from "./clients.ts";
import { editEntry, readEntry } from "./edit.ts";
import { entryFor, secretsIn, type Wanted } from "./entries.ts";
import {
  backUp,
  type ConfigFile,
  isOpenToOthers,
  readBackup,
  readConfigFile,
  removeBackup,
  writeConfigFile,
} from "./files.ts";
import type { EntryPath } from "./format.ts";

export type Status = "added" | "changed" | "unchanged" | "removed" | "absent" | "failed";

/** What is to be done to one client's file, or was. */
export interface Change {
  readonly client: Client;
  /** The path of the file, as the client names it. */
  readonly path: string;
  readonly status: Status;
  /** What went wrong, or what else the user should know. */
  readonly detail?: string;
  /** The lines that go and come, without secrets. */
  readonly diff?: readonly string[];
  /** Writes the file. Resolves to the path of the backup, if one was made. */
  readonly apply?: () => Promise<string | undefined>;
}

/** The clients of these names; without names, those that are installed here. */
export const selectClients = (names: readonly string[], machine: Machine): Client[] =>
  CLIENTS.filter(({ id, signs }) =>
    names.length > 0 ? names.includes(id) : pathsOn(machine, signs).some((path) => existsSync(path)),
  );

/** Plans the change of one client's file; changes nothing. `wanted` is undefined to remove the entry. */
export async function planChange(
  client: Client,
  machine: Machine,
  wanted: Wanted | undefined,
): Promise<Change> {
  const paths = pathsOn(machine, client.files);
  const path = paths.find((one) => existsSync(one)) ?? paths[0] ?? "";
  try {
    const file = await readConfigFile(path);
    return {
      client,
      path,
      ...(await (wanted ? planEntry(client, file, wanted) : planRemoval(client, file))),
    };
  } catch (error) {
    return { client, path, status: "failed", detail: messageOf(error) };
  }
}

type Plan = Omit<Change, "client" | "path">;
const pathIn = ({ servers }: Client): EntryPath => [servers, "nightshift"];

async function planEntry(client: Client, file: ConfigFile, wanted: Wanted): Promise<Plan> {
  const before = file.text ?? "";
  const old = readEntry(client.format, before, pathIn(client));
  const entry = entryFor(client, wanted, old);
  const after = editEntry(client.format, before, pathIn(client), entry);
  const isPrivate = secretsIn(entry).length > 0;
  const mustClose = isPrivate && isOpenToOthers(file);
  if (after === before && !mustClose) return { status: "unchanged" };
  return {
    status: old ? "changed" : "added",
    ...(mustClose && { detail: "It holds a key, so other accounts can no longer read it." }),
    diff: diffOf(before, after, [...secretsIn(old), ...secretsIn(entry)]),
    apply: async () => {
      // The backup is the file without Nightshift, so that it can be undone after later changes too. A file that has
      // nothing else was not there before.
      const isBackedUp = old && ((await readBackup(file)) !== undefined || leadsTo(client, "", old, before));
      const backup = isBackedUp ? undefined : await backUp(file);
      await writeConfigFile(file, after, { isPrivate });
      return backup;
    },
  };
}

async function planRemoval(client: Client, file: ConfigFile): Promise<Plan> {
  const { text } = file;
  const entry = text === undefined ? undefined : readEntry(client.format, text, pathIn(client));
  if (text === undefined || !entry) return { status: "absent" };
  const backup = await readBackup(file);
  const restored = [backup, ""].find(
    (before) => before !== undefined && leadsTo(client, before, entry, text),
  );
  const after = restored ?? editEntry(client.format, text, pathIn(client), undefined);
  // An empty file that was there has a backup that is empty.
  const isOwn = restored === "" && backup !== "";
  return {
    status: "removed",
    diff: diffOf(text, after, secretsIn(entry)),
    apply: async () => {
      await writeConfigFile(file, isOwn ? undefined : after, { isPrivate: false });
      if (restored !== undefined) await removeBackup(file);
      return undefined;
    },
  };
}

/** True when nothing but the entry came to `before` since then. */
function leadsTo(client: Client, before: string, entry: object, now: string): boolean {
  try {
    const hasEntry = readEntry(client.format, before, pathIn(client)) !== undefined;
    return !hasEntry && editEntry(client.format, before, pathIn(client), entry) === now;
  } catch {
    return false;
  }
}

/** The lines between the first and the last that differ. */
function diffOf(before: string, after: string, secrets: readonly string[]): string[] {
  const [old, fresh] = [before.split(/\r?\n/), after.split(/\r?\n/)];
  let start = 0;
  while (start < Math.min(old.length, fresh.length) && old[start] === fresh[start]) start++;
  let end = 0;
  while (end < Math.min(old.length, fresh.length) - start && old.at(-1 - end) === fresh.at(-1 - end)) end++;
  const lines = (sign: string, all: string[]) =>
    all.slice(start, all.length - end).map((line) => sign + line);
  const hide = (line: string) => secrets.reduce((shown, secret) => shown.replaceAll(secret, "***"), line);
  return [...lines("- ", old), ...lines("+ ", fresh)].map(hide);
}

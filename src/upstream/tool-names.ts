import { NightshiftError } from "../errors.ts";
import { isWildcard, serverOf } from "../tools/upstream.ts";
import { isOffered, mayUse } from "./access.ts";
import type { UpstreamConfig, UpstreamLog, UpstreamServer } from "./config.ts";
import { listServers, type ServerTools } from "./open.ts";

/** The configured servers and their tools, by which a new job's tool names are checked. */
export interface UpstreamToolNames {
  readonly servers: readonly string[];
  /**
   * Asks the servers of `names` (`server__tool`) whether they have these tools. Resolves to a warning for each server
   * that does not answer now; the job is made all the same. Rejects with TOOL_NOT_FOUND and the server's tools, and with
   * TOOL_DENIED where this user may not use the server.
   */
  check(names: readonly string[], userKey: string): Promise<readonly string[]>;
}

/** Short, because somebody waits for the job to be made. */
const LIST_TIMEOUT_MS = 8_000;
/** One listing serves many jobs that are made at about the same time. */
const KEEP_MS = 60_000;
const KEEP_FAILURE_MS = 5_000;
const MAX_NAMED = 60;

interface Known {
  readonly listing: Promise<ServerTools>;
  until: number;
}

export function createUpstreamNames(
  config: UpstreamConfig,
  { log, now, askMs = LIST_TIMEOUT_MS }: { log: UpstreamLog; now: () => number; askMs?: number },
): UpstreamToolNames {
  const known = new Map<string, Known>();
  const ask = (server: UpstreamServer): Promise<ServerTools> => {
    const found = known.get(server.name);
    if (found && found.until > now()) return found.listing;
    const listing = listServers([server], { log, timeoutMs: askMs }).then(([answer]) =>
      onlyOffered(server, answer as ServerTools),
    );
    const entry: Known = { listing, until: Number.POSITIVE_INFINITY };
    known.set(server.name, entry);
    void listing.then(({ problem }) => {
      entry.until = now() + (problem ? KEEP_FAILURE_MS : KEEP_MS);
    });
    return listing;
  };
  return {
    servers: config.map(({ name }) => name),
    async check(names, userKey) {
      const wanted = config.filter(({ name }) => names.some((tool) => serverOf(tool) === name));
      const denied = wanted.find((server) => !mayUse(server, userKey));
      if (denied) throw serverDenied(denied.name);
      const answers = await Promise.all(wanted.map(ask));
      for (const answer of answers) {
        const unknown = names.find((name) => isOfServer(answer, name) && !hasTool(answer, name));
        if (unknown) throw toolNotFound(unknown, answer);
      }
      return answers.flatMap(({ server, problem }) =>
        problem
          ? [`${server} could not be asked for its tools now: ${problem}. Its names were taken as they are.`]
          : [],
      );
    },
  };
}

const onlyOffered = (server: UpstreamServer, answer: ServerTools): ServerTools => ({
  ...answer,
  names: answer.names.filter((name) => isOffered(server, name)),
});

const serverDenied = (server: string) =>
  new NightshiftError("TOOL_DENIED", `The operator of this server lets only other users use ${server}.`);

const isOfServer = ({ server }: ServerTools, name: string): boolean => serverOf(name) === server;
const hasTool = ({ names, problem }: ServerTools, name: string): boolean =>
  problem !== undefined || isWildcard(name) || names.includes(name);

function toolNotFound(name: string, { server, names }: ServerTools): NightshiftError {
  const shown = names.slice(0, MAX_NAMED).join(", ") || "none";
  const more = names.length > MAX_NAMED ? ` and ${names.length - MAX_NAMED} more` : "";
  return new NightshiftError(
    "TOOL_NOT_FOUND",
    `${server} has no tool "${name}". Its tools: ${shown}${more}; ${server}__* names all of them.`,
  );
}

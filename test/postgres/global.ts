import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestProject } from "vitest/node";
import { type PostgresServer, startPostgres } from "./start.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** Gives the URL of the one Postgres of this test run, which is started when it is first asked. */
    askForPostgres: string;
  }
}

/** For all test files together; nothing is started for those that don't ask. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  let postgres: Promise<PostgresServer> | undefined;
  const door = createServer(async (_request, response) => {
    postgres ??= startPostgres();
    try {
      response.end((await postgres).url);
    } catch (error) {
      response.statusCode = 503;
      response.end(error instanceof Error ? error.message : String(error));
    }
  });
  await new Promise<void>((resolve) => door.listen(0, "127.0.0.1", resolve));
  project.provide("askForPostgres", `http://127.0.0.1:${(door.address() as AddressInfo).port}`);
  return async () => {
    door.closeAllConnections();
    door.close();
    await (await postgres?.catch(() => undefined))?.close();
  };
}

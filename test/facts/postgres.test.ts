import { openKeyvFacts } from "../../src/facts/keyv.ts";
import { openPostgres } from "../postgres.ts";
import { factStoreContract } from "./contract.ts";
import { postgresPlace } from "./places.ts";
import { factSharingContract } from "./sharing-contract.ts";

factStoreContract("Postgres through Keyv", async (options) =>
  openKeyvFacts({ databaseUrl: (await openPostgres()).url, ...options }),
);
factSharingContract("Postgres", postgresPlace);

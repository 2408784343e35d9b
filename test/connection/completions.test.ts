import { expect, it } from "vitest";
import { jobIds } from "../../src/connection/completions.ts";
import { openProgram } from "../program.ts";
import { newJob } from "../world.ts";

it("completes the id of a job that a hundred newer ones stand before", async () => {
  const { app, open } = await openProgram();
  const { context } = open();
  const services = app.connectionDeps.servicesFor(context);
  const oldest = await services.jobs?.create(newJob());
  for (let i = 0; i < 101; i++) await services.jobs?.create(newJob());
  const typed = oldest?.jobId.slice(0, -3) ?? "";
  expect(await jobIds(typed, { services, scopes: context.scopes })).toEqual({
    values: [oldest?.jobId],
    hasMore: false,
  });
});

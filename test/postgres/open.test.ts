import { existsSync } from "node:fs";
import { Client } from "pg";
import { describe, expect, it, onTestFinished } from "vitest";
import { openPostgres } from "../postgres.ts";
import { startPostgres } from "./start.ts";

async function connect(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  onTestFinished(() => client.end().catch(() => {}));
  return client;
}

describe("a Postgres for the tests", () => {
  it("gives each test a database of its own", async () => {
    const [one, two] = await Promise.all([openPostgres(), openPostgres()]);
    const here = await connect(one.url);
    await here.query("create table mine (id bigint)");
    const there = await connect(two.url);
    await expect(there.query("select * from mine")).rejects.toMatchObject({ code: "42P01" });
  });

  it("copies what was prepared once", async () => {
    let prepared = 0;
    const prepare = async (url: string) => {
      prepared++;
      const client = new Client({ connectionString: url });
      await client.connect();
      await client.query("create table ready (id bigint); insert into ready values (7)");
      await client.end();
    };
    const copies = await Promise.all([openPostgres(prepare), openPostgres(prepare)]);
    for (const { url } of copies) {
      const client = await connect(url);
      expect((await client.query("select id from ready")).rows).toEqual([{ id: "7" }]);
    }
    expect(prepared).toBe(1);
  });

  it("is a server of one's own where a test stops it, and leaves nothing", async () => {
    const server = await startPostgres();
    onTestFinished(() => server.close());
    expect(existsSync(server.folder)).toBe(true);
    await (await connect(server.url)).query("create table kept (id bigint)");
    await server.stop();
    await expect(connect(server.url)).rejects.toThrow();
    await server.start();
    expect((await (await connect(server.url)).query("select * from kept")).rows).toEqual([]);
    await server.close();
    expect(existsSync(server.folder)).toBe(false);
  }, 60_000);
});

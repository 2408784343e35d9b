import { describe, expect, it } from "vitest";
import { ask, openProgram } from "../program.ts";

const WHOAMI = { tool: { name: "whoami" } };
const NINE = { ...WHOAMI, cron: "daily at 9am" };

describe("a user's time zone", () => {
  it("is set once, and holds where a call names none", async () => {
    const program = await openProgram({ timezone: "Europe/London" });
    const [alice, bob] = [program.open("alice"), program.open("bob")];
    expect(await ask(alice, "current_time")).toMatchObject({ timezone: "Europe/London" });
    expect(await ask(alice, "set_timezone", { timezone: "america/new_york" })).toMatchObject({
      timezone: "America/New_York",
    });
    const job = await ask(alice, "schedule_task", NINE);
    expect(job).toMatchObject({ timezone: "America/New_York", cron: "0 9 * * *" });
    expect(job.next_runs[0]).toMatch(/T09:00:00-0[45]:00$/);
    expect(await ask(alice, "preview_schedule", { execute_at: "tomorrow 9am" })).toMatchObject({
      timezone: "America/New_York",
      times: [expect.stringMatching(/T09:00:00-0[45]:00$/)],
    });
    expect(await ask(alice, "current_time")).toMatchObject({ timezone: "America/New_York" });
    expect(await ask(alice, "schedule_task", { ...NINE, timezone: "Asia/Tokyo" })).toMatchObject({
      timezone: "Asia/Tokyo",
    });
    expect(await ask(bob, "schedule_task", NINE)).toMatchObject({ timezone: "Europe/London" });
    await program.close();
    const again = (await openProgram({ dataDir: program.dataDir })).open("alice");
    expect(await ask(again, "current_time")).toMatchObject({ timezone: "America/New_York" });
  });

  it("must be one that there is", async () => {
    const alice = (await openProgram()).open();
    const { content } = await alice.toolkit.call("set_timezone", { timezone: "berlin" });
    expect(content[0]?.text).toMatch(/Did you mean Europe\/Berlin\?/);
    await expect(openProgram({ timezone: "Mars/Phobos" })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  });

  it("is asked for where the server's would be taken for a person's nine o'clock", async () => {
    const alice = (await openProgram({ lifetime: "service" })).open();
    const noted = await ask(alice, "schedule_task", NINE);
    expect(noted.note).toMatch(
      /You have set no time zone, so this is in the server's, .*set_timezone sets yours/,
    );
    const offset = { ...WHOAMI, execute_at: "2099-02-20T09:00:00+01:00" };
    expect(await ask(alice, "schedule_task", offset)).not.toHaveProperty("note");
    await ask(alice, "set_timezone", { timezone: "Europe/Berlin" });
    const known = await ask(alice, "schedule_task", { ...NINE, name: "Known" });
    expect(known).toMatchObject({ timezone: "Europe/Berlin" });
    expect(known.note).not.toMatch(/server's/);
  });
});

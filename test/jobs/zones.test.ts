import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { coalesce } from "../../src/jobs/catch-up.ts";
import { previousCron } from "../../src/jobs/cron.ts";
import { DEFAULT_POLICY } from "../../src/jobs/job.ts";
import { nextTimes, parseSchedule } from "../../src/jobs/schedule.ts";
import { readTimezone, zonesLike } from "../../src/jobs/time.ts";
import { cli } from "../child-process.ts";
import { tempDir } from "../harness.ts";

describe("a name of a zone that is not IANA's", () => {
  it.each([
    ["BST", "Europe/London or Asia/Dhaka"],
    ["bst", "Europe/London or Asia/Dhaka"],
    ["AST", "America/Halifax or Asia/Riyadh"],
    ["IST", "Asia/Kolkata or Europe/Dublin or Asia/Jerusalem"],
    ["PST", "America/Los_Angeles or Asia/Manila"],
    ["MSK", "Europe/Moscow"],
    ["CEST", "Europe/Berlin or Europe/Paris"],
    ["EDT", "America/New_York"],
    ["AEST", "Australia/Sydney or Australia/Brisbane"],
    ["SystemV/PST8", "America/Los_Angeles or Asia/Manila"],
    ["UTC+2", "Etc/GMT-2"],
    ["-05:00", "Etc/GMT+5"],
    ["Kolkata", "Asia/Kolkata"],
    ["kyiv", "Europe/Kyiv"],
    ["New York", "America/New_York"],
    ["US/Eastern Time", undefined],
  ])("%s is refused, with what was probably meant", (name, meant) => {
    const expected = meant
      ? `"${name}" is not a time zone. Did you mean ${meant}?`
      : "is not a time zone. Use";
    expect(() => readTimezone(name)).toThrow(expected);
  });

  it("is none of the abbreviations that Intl takes, but for IANA's own", () => {
    const java =
      "ACT AET AGT ART AST BET BST CAT CNT CST CTT EAT ECT IET IST JST MIT NET NST PLT PNT PRT PST SST VST";
    for (const name of java.split(" ")) expect(() => readTimezone(name), name).toThrow("Did you mean");
    for (const name of "CET EET EST GMT HST MET MST PRC ROC ROK UTC WET GB NZ EST5EDT US/Pacific".split(" "))
      expect(readTimezone(name)).toBe(name);
  });

  it("is written as IANA writes it", () => {
    expect(readTimezone(" asia/kolkata")).toBe("Asia/Kolkata");
    expect(readTimezone("europe/kyiv")).toBe("Europe/Kyiv");
  });
});

it("completes the names of today", () => {
  expect(zonesLike("Asia/Kol")).toEqual(["Asia/Kolkata"]);
  expect(zonesLike("Europe/Ky")).toEqual(["Europe/Kyiv"]);
  expect(zonesLike("Nuuk")).toEqual(["America/Nuuk"]);
  expect(zonesLike("Asia/Ho")).toContain("Asia/Ho_Chi_Minh");
  expect(zonesLike("US/Pac")).toEqual(["US/Pacific"]);
  expect(zonesLike("MSK")).toEqual(["Europe/Moscow"]);
});

describe("the zone of this machine", () => {
  const askWith = (tz: string) => {
    const script = `const { hostTimezone, hostZoneProblem } = await import("./src/jobs/time.ts");
      const { parseSchedule } = await import("./src/jobs/schedule.ts");
      const { timezone } = parseSchedule({ cron: "0 9 * * *" }, Date.now());
      console.log(JSON.stringify([hostTimezone(), timezone, hostZoneProblem(process.env.TZ) ?? null]));`;
    const env = { ...process.env, TZ: tz };
    const args = ["--input-type=module", "-e", script];
    return JSON.parse(execFileSync(process.execPath, args, { env, encoding: "utf8" })) as unknown;
  };

  it.each(["", "UTC0", ":/etc/localtime", "CET-1CEST", "Foo/Bar", "+02:00"])(
    "is UTC for TZ=%j, with a sentence that says so",
    (tz) => {
      expect(askWith(tz)).toEqual(["UTC", "UTC", expect.stringContaining(`TZ=${JSON.stringify(tz)}`)]);
    },
  );

  it.each(["Europe/Berlin", ":Europe/Berlin"])("is read from TZ=%s", (tz) => {
    expect(askWith(tz)).toEqual(["Europe/Berlin", "Europe/Berlin", null]);
  });

  it.each(["BST", "AST", ":IST"])("is UTC for the command line with TZ=%s", async (tz) => {
    const dir = await tempDir();
    await writeFile(join(dir, "a.md"), "---\ncron: 0 9 * * *\n---\nHello.");
    const { stdout } = await cli(["jobs", "validate", dir], { env: { TZ: tz } });
    expect(stdout).toContain("T09:00:00+00:00");
  });

  it("is told when Intl takes TZ for another zone than most people do", () => {
    expect(askWith("BST")).toEqual(["Asia/Dhaka", "Asia/Dhaka", expect.stringContaining("is in Asia/Dhaka")]);
  });
});

describe("a gap across midnight", () => {
  const times = (cron: string, timezone: string, from: string, n = 3) =>
    nextTimes(
      { schedule: { kind: "cron", cron }, timezone, policy: DEFAULT_POLICY },
      Date.parse(from),
      n,
    ).map((at) => new Date(at).toISOString().slice(0, 16));

  it.each([
    [
      "30 23 * * *",
      "America/Nuuk",
      "2027-03-26T12:00Z",
      "2027-03-27T01:30 2027-03-28T01:00 2027-03-29T00:30",
    ],
    ["0 23 * * 6", "America/Nuuk", "2027-03-26T12:00Z", "2027-03-28T01:00 2027-04-04T00:00 2027-04-11T00:00"],
    [
      "15,45 23 27 3 *",
      "America/Nuuk",
      "2027-03-26T12:00Z",
      "2027-03-28T01:00 2028-03-28T00:15 2028-03-28T00:45",
    ],
    [
      "0 30 23 * * *",
      "America/Scoresbysund",
      "2026-03-28T12:00Z",
      "2026-03-29T01:00 2026-03-30T00:30 2026-03-31T00:30",
    ],
    [
      "30 23 * * *",
      "America/Scoresbysund",
      "2029-03-24T12:00Z",
      "2029-03-25T01:00 2029-03-26T00:30 2029-03-27T00:30",
    ],
    // Both the skipped time and midnight fall on the same moment: one run.
    [
      "0 0,23 * * *",
      "America/Nuuk",
      "2027-03-27T12:00Z",
      "2027-03-28T01:00 2027-03-29T00:00 2027-03-29T01:00",
    ],
    // Samoa had no 30 December in 2011.
    ["30 9 * * *", "Pacific/Apia", "2011-12-29T12:00Z", "2011-12-29T19:30 2011-12-30T10:00 2011-12-30T19:30"],
    // With a step it keeps its interval instead.
    [
      "*/30 23 * * *",
      "America/Nuuk",
      "2027-03-27T12:00Z",
      "2027-03-29T00:00 2027-03-29T00:30 2027-03-30T00:00",
    ],
  ])("%s in %s runs at the first moment after it", (cron, zone, from, expected) => {
    expect(times(cron, zone, from).join(" ")).toBe(expected);
  });

  it("is the last time, too, and is counted once", () => {
    const gap = Date.parse("2027-03-28T01:00Z");
    expect(previousCron("30 23 * * *", "America/Nuuk", gap + 3_600_000)).toBe(gap);
    expect(previousCron("30 23 * * *", "America/Nuuk", gap - 1)).toBe(Date.parse("2027-03-27T01:30Z"));
    const schedule = { kind: "cron", cron: "30 23 * * *" } as const;
    expect(coalesce(schedule, "America/Nuuk", Date.parse("2027-03-27T01:30Z"), gap + 1)).toEqual({
      scheduledFor: gap,
      coalesced: 1,
    });
  });

  it("takes an execute_at", () => {
    const read = (execute_at: string, timezone: string) =>
      parseSchedule({ execute_at, timezone }, 0).schedule;
    const at = Date.parse("2027-03-28T01:00Z");
    expect(read("2027-03-27 23:30", "America/Nuuk")).toEqual({ kind: "at", at });
    expect(read("2026-03-28 23:00:30", "America/Scoresbysund")).toEqual({
      kind: "at",
      at: Date.parse("2026-03-29T01:00Z"),
    });
    expect(read("2027-03-27 22:59", "America/Nuuk")).toEqual({ kind: "at", at: at - 60_000 });
  });

  it("reads an offset of whole hours", () => {
    const read = (execute_at: string) => parseSchedule({ execute_at, timezone: "UTC" }, 0).schedule;
    const at = Date.parse("2026-02-20T08:00Z");
    for (const text of ["2026-02-20T09:00:00+01", "2026-02-20 09:00+01", "2026-02-20T02:30-0530"])
      expect(read(text)).toEqual({ kind: "at", at });
    expect(() => read("2026-02-20T09:00+99")).toThrow("not on the calendar");
  });
});

import { access, constants, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type Config, variable } from "../config.ts";
import { makeDataFolder } from "../database/data-folder.ts";
import { messageOf, NightshiftError } from "../errors.ts";
import { scanFolder } from "../jobs-folder/scan.ts";
import { findLocalModels } from "../model/local.ts";
import { loadToolModules } from "../tools/modules.ts";
import { version } from "../version.ts";
import { paint, plain, print, printJson } from "./output.ts";
import type { Repair } from "./repair.ts";

interface Finding {
  readonly check: string;
  readonly status: "ok" | "warning" | "problem";
  readonly found: string;
  /** The next step for the reader. */
  readonly advice?: string;
}

export interface DoctorOptions {
  readonly json: boolean;
  /** Repair the data first, where nothing can be lost by it. */
  readonly repair: boolean;
}

/**
 * Checks everything that a run needs and prints advice. Resolves to exit code 1 when there is a problem. Rejects with
 * CONFIG_INVALID when Postgres is to be repaired.
 */
export async function runDoctor(config: Config, { json, repair }: DoctorOptions): Promise<number> {
  if (repair && config.databaseUrl)
    throw new NightshiftError(
      "CONFIG_INVALID",
      "--repair repairs the files of a data folder, and Postgres is in use. Run doctor without it.",
    );
  const repairs = repair ? await (await import("./repair.ts")).repairData(config) : [];
  const findings = [
    { check: "node", status: "ok", found: `${process.version}, Nightshift ${version}` } as const,
    ...(config.databaseUrl ? [await checkPostgresServer(config.databaseUrl)] : await checkFiles(config)),
    await checkModel(config),
    await checkTools(config),
    await checkMcpServers(config),
    await checkJobs(config),
  ];
  const ok =
    findings.every(({ status }) => status !== "problem") && repairs.every(({ repaired }) => repaired);
  if (json) printJson({ ok, findings, ...(repair && { repairs }) });
  else {
    repairs.forEach(printRepair);
    findings.forEach(printFinding);
  }
  return ok ? 0 : 1;
}

function printRepair({ check, found, repaired, advice }: Repair): void {
  const status = repaired ? "repaired" : "left";
  print(`${paint(repaired ? "green" : "red", status.padEnd(8))} ${check.padEnd(12)} ${plain(found)}`);
  if (advice) print(`${" ".repeat(22)}${plain(advice)}`);
}

function printFinding({ check, status, found, advice }: Finding): void {
  const colour = status === "ok" ? "green" : status === "warning" ? "yellow" : "red";
  print(`${paint(colour, status.padEnd(8))} ${check.padEnd(12)} ${plain(found)}`);
  if (advice) print(`${" ".repeat(22)}${plain(advice)}`);
}

async function checkData({ dataDir }: Config): Promise<Finding> {
  const dir = resolve(dataDir);
  try {
    makeDataFolder(dir);
    await access(dir, constants.R_OK | constants.W_OK);
    return { check: "data folder", status: "ok", found: dir };
  } catch (error) {
    if (error instanceof NightshiftError)
      return { check: "data folder", status: "problem", found: `${dir}: ${error.message}` };
    const advice = "Make it writable, or name another folder with --data.";
    return { check: "data folder", status: "problem", found: `${dir} cannot be written to`, advice };
  }
}

async function checkPostgresServer(url: string): Promise<Finding> {
  const check = "postgres";
  try {
    const { checkPostgres } = await import("../database/postgres-doctor.ts");
    return { check, status: "ok", found: await checkPostgres(url) };
  } catch (error) {
    return { check, status: "problem", found: messageOf(error) };
  }
}

const checkFiles = async (config: Config): Promise<Finding[]> => [
  await checkData(config),
  await checkFile(config, "facts.sqlite", async (file) =>
    (await import("../facts/doctor.ts")).checkFacts(file),
  ),
  await checkFile(config, "jobs.sqlite", async (file) => {
    const { checkDatabase } = await import("../database/sqlite-doctor.ts");
    const { timeProblem } = await import("../store/job-doctor.ts");
    return checkDatabase(file, (row) => timeProblem(row, Date.now()));
  }),
];

async function checkFile(
  { dataDir }: Config,
  name: string,
  check: (file: string) => Promise<string>,
): Promise<Finding> {
  const file = join(resolve(dataDir), name);
  if (!(await stat(file).catch(() => undefined)))
    return { check: name, status: "ok", found: "not there yet; Nightshift makes it when it needs it" };
  try {
    return { check: name, status: "ok", found: await check(file) };
  } catch (error) {
    const advice =
      "Stop every Nightshift that uses it, keep a copy of the data folder, then run nightshift doctor --repair.";
    const isNewer = error instanceof NightshiftError;
    return { check: name, status: "problem", found: messageOf(error), ...(!isNewer && { advice }) };
  }
}

async function checkModel(config: Config): Promise<Finding> {
  if (config.model) {
    const where = config.modelBaseUrl ? ` at ${new URL(config.modelBaseUrl).host}` : "";
    return {
      check: "model",
      status: "ok",
      found: `${config.model}${where}${config.modelApiKey ? ", with a key" : ""}`,
    };
  }
  const [local] = await findLocalModels();
  const model = local?.models[0];
  if (local && model) {
    const advice = `Use it: NIGHTSHIFT_MODEL=openai-compatible:${model} NIGHTSHIFT_MODEL_BASE_URL=${local.baseUrl}`;
    return {
      check: "model",
      status: "warning",
      found: `none configured; ${local.server} runs on this machine`,
      advice,
    };
  }
  const advice =
    "Set NIGHTSHIFT_MODEL=anthropic:<id> (or openai:<id>) and NIGHTSHIFT_MODEL_API_KEY. Without a model, jobs with a tool and code jobs still run.";
  return {
    check: "model",
    status: "warning",
    found: "none configured, and neither Ollama nor LM Studio answers on this machine",
    advice,
  };
}

async function checkTools({ tools }: Config): Promise<Finding> {
  if (tools.length === 0) return { check: "own tools", status: "ok", found: "none" };
  try {
    const loaded = await loadToolModules(tools);
    const names = loaded.tools.map(({ name }) => name).join(", ") || "no tools";
    const registers = loaded.registers.length > 0 ? `, ${loaded.registers.length} register function(s)` : "";
    return { check: "own tools", status: "ok", found: `${names}${registers}` };
  } catch (error) {
    return {
      check: "own tools",
      status: "problem",
      found: messageOf(error),
    };
  }
}

const CONNECT_TIMEOUT_MS = 15_000;

/** Connects to each upstream server, as a run would. */
async function checkMcpServers({ mcpConfig }: Config): Promise<Finding> {
  const check = "mcp servers";
  if (!mcpConfig) return { check, status: "ok", found: "none" };
  try {
    const { readMcpConfig } = await import("../upstream/config.ts");
    const { listServers } = await import("../upstream/open.ts");
    const quiet = { debug() {}, warn() {} };
    const servers = await listServers(await readMcpConfig(mcpConfig, variable), {
      log: quiet,
      timeoutMs: CONNECT_TIMEOUT_MS,
    });
    const found = servers
      .map(({ server, names, problem }) => `${server}: ${problem ?? `${names.length} tools`}`)
      .join("; ");
    if (servers.every(({ problem }) => !problem)) return { check, status: "ok", found: found || "none" };
    const advice = `Check this server in ${mcpConfig}. Runs go on without its tools.`;
    return { check, status: "warning", found, advice };
  } catch (error) {
    return { check, status: "problem", found: messageOf(error) };
  }
}

async function checkJobs({ jobsDir }: Config): Promise<Finding> {
  if (!jobsDir) return { check: "jobs folder", status: "ok", found: "none" };
  try {
    const { jobs, problems, ignored } = await scanFolder(resolve(jobsDir), Date.now());
    const alone = ignored.length > 0 ? `; left alone: ${ignored.map(({ file }) => file).join(", ")}` : "";
    const found = `${jobs.length} jobs${alone}`;
    if (problems.length === 0) return { check: "jobs folder", status: "ok", found };
    const bad = problems.map(({ file, line }) => `${file}${line ? `:${line}` : ""}`).join(", ");
    const advice = `nightshift jobs validate ${jobsDir}`;
    return { check: "jobs folder", status: "problem", found: `${found}; bad: ${bad}`, advice };
  } catch (error) {
    return {
      check: "jobs folder",
      status: "problem",
      found: messageOf(error),
    };
  }
}

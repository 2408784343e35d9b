import { access, constants, rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type Config, type ConfigProblem, type examineConfig, variable } from "../config.ts";
import { makeDataFolder } from "../database/data-folder.ts";
import { messageOf, NightshiftError } from "../errors.ts";
import { scanFolder } from "../jobs-folder/scan.ts";
import { answers, findLocalModels } from "../model/local.ts";
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
 * CONFIG_INVALID when Postgres is to be repaired, or anything with a setting that is not valid.
 */
export async function runDoctor(
  { config, problems }: ReturnType<typeof examineConfig>,
  { json, repair }: DoctorOptions,
): Promise<number> {
  if (repair && problems.length > 0)
    throw new NightshiftError("CONFIG_INVALID", `Nothing was repaired. ${problems[0]?.found}.`);
  if (repair && config.databaseUrl)
    throw new NightshiftError(
      "CONFIG_INVALID",
      "--repair repairs the files of a data folder, and Postgres is in use. Run doctor without it.",
    );
  const repairs = repair ? await (await import("./repair.ts")).repairData(config) : [];
  const findings = [
    { check: "node", status: "ok", found: `${process.version}, Nightshift ${version}` } as const,
    ...problems.filter((problem) => !isOfModel(problem)).map(({ found }) => toFinding("settings", found)),
    ...(config.databaseUrl ? [await checkPostgresServer(config.databaseUrl)] : await checkFiles(config)),
    await checkModel(config, problems.find(isOfModel)),
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

const isOfModel = ({ key }: ConfigProblem): boolean => key === "model" || key === "modelBaseUrl";

const toFinding = (check: string, found: string): Finding => ({
  check,
  status: "problem",
  found,
  advice: "Correct this setting. Its default was checked.",
});

async function checkData({ dataDir }: Config): Promise<Finding> {
  const check = "data folder";
  const dir = resolve(dataDir);
  const other = "name another folder with --data.";
  try {
    makeDataFolder(dir);
    await access(dir, constants.R_OK | constants.W_OK);
    return { check, status: "ok", found: dir };
  } catch (error) {
    if (error instanceof NightshiftError)
      return { check, status: "problem", found: `${dir}: ${error.message}` };
    return {
      check,
      status: "problem",
      found: `${dir} cannot be written to`,
      advice: `Make it writable, or ${other}`,
    };
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
  await checkFile(config, "facts.sqlite", {
    check: async (file) => (await import("../facts/doctor.ts")).checkFacts(file),
    attempt: async (file) => (await import("../facts/doctor.ts")).tryFacts(file),
  }),
  await checkFile(config, "jobs.sqlite", {
    async check(file) {
      const { checkDatabase } = await import("../database/sqlite-doctor.ts");
      const { timeProblem } = await import("../store/job-doctor.ts");
      return checkDatabase(file, (row) => timeProblem(row, Date.now()));
    },
    async attempt(file) {
      const { openDatabase } = await import("../database/open-sqlite.ts");
      await (await openDatabase({ file, now: Date.now })).close();
    },
  }),
];

interface FileChecks {
  /** Checks a file that is there. Resolves to a summary. */
  check(file: string): Promise<string>;
  /** Makes a file of the same kind and uses it. */
  attempt(file: string): Promise<void>;
}

async function checkFile(
  { dataDir }: Config,
  name: string,
  { check, attempt }: FileChecks,
): Promise<Finding> {
  const file = join(resolve(dataDir), name);
  try {
    if (await stat(file).catch(() => undefined)) {
      const found = await check(file);
      await access(file, constants.W_OK).catch((cause) => {
        const sentence = `${name} is read-only; give this account the right to write to it.`;
        throw new NightshiftError("DATA_UNAVAILABLE", sentence, {}, { cause });
      });
      return { check: name, status: "ok", found };
    }
    const trial = `${file}.${process.pid}.trial`;
    await attempt(trial).finally(() => removeDatabase(trial));
    return {
      check: name,
      status: "ok",
      found: "not there yet; Nightshift can make it, and does when it needs it",
    };
  } catch (error) {
    // A sentence of ours says what to do. Anything else is damage.
    const advice =
      "Stop every Nightshift that uses it, keep a copy of the data folder, then run nightshift doctor --repair.";
    return {
      check: name,
      status: "problem",
      found: messageOf(error),
      ...(!(error instanceof NightshiftError) && { advice }),
    };
  }
}

/** Never rejects: why a file could not be made is told by who tried. */
async function removeDatabase(file: string): Promise<void> {
  for (const end of ["", "-wal", "-shm"]) await rm(`${file}${end}`, { force: true }).catch(() => {});
}

async function checkModel(config: Config, problem: ConfigProblem | undefined): Promise<Finding> {
  if (problem) return { check: "model", status: "problem", found: problem.found };
  if (config.model) return checkConfiguredModel(config, config.model);
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

/** Looks whether its server answers, and asks the model nothing. */
async function checkConfiguredModel({ modelBaseUrl, modelApiKey }: Config, model: string): Promise<Finding> {
  const check = "model";
  if (!modelBaseUrl && model.startsWith("openai-compatible:")) {
    const advice = "Set NIGHTSHIFT_MODEL_BASE_URL, e.g. http://127.0.0.1:11434/v1.";
    return { check, status: "problem", found: `${model} needs its address`, advice };
  }
  const where = modelBaseUrl ? ` at ${new URL(modelBaseUrl).host}` : "";
  const found = `${model}${where}${modelApiKey ? ", with a key" : ""}`;
  if (!modelBaseUrl || (await answers(modelBaseUrl))) return { check, status: "ok", found };
  const advice = "Start its server, or correct NIGHTSHIFT_MODEL_BASE_URL.";
  return { check, status: "warning", found: `${found}, which does not answer`, advice };
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

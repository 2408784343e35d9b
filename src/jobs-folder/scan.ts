import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import { constants, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { messageOf, NightshiftError } from "../errors.ts";
import type { FolderJob } from "../jobs/contracts.ts";
import { findBrokenChains } from "../jobs/dependencies.ts";
import { FieldError, type FileProblem, readMarkdown, toJob } from "./front-matter.ts";
import { type FolderNames, isPromptFile, numberedCopyOf, sortNames } from "./names.ts";

export interface FolderScan {
  readonly jobs: readonly FolderJob[];
  readonly problems: readonly FileProblem[];
  /** Files that look like jobs and are left alone, with the reason. */
  readonly ignored: readonly FileProblem[];
}

const MAX_FILE_BYTES = 256 * 1024;

/** Jobs of files that were read before, by file: a rescan starts no thread for a file that has not changed. */
export type DescribeCache = Map<string, FolderJob>;

export interface ScanOptions {
  readonly cache?: DescribeCache;
  /** Ends a scan early: the result is then incomplete. */
  readonly signal?: AbortSignal;
}

/** Reads a jobs folder: see `sortNames`. A bad file becomes a problem, and the others are read all the same. */
export async function scanFolder(dir: string, now: number, options: ScanOptions = {}): Promise<FolderScan> {
  const jobs: FolderJob[] = [];
  const problems: FileProblem[] = [];
  const { files, ignored } = await readFolder(dir);
  for (const file of files) {
    if (options.signal?.aborted) break;
    const read = await readJobFile(dir, file, now, options).catch((error: unknown) => ({
      problem: { file, message: messageOf(error) },
    }));
    if ("problem" in read) problems.push(read.problem);
    else jobs.push(read.job);
  }
  const copies = findNumberedCopies(jobs);
  const originals = jobs.filter(({ file }) => !copies.has(file));
  const broken = findBrokenChains(
    originals,
    problems.map(({ file }) => file),
  );
  for (const [file, message] of broken) {
    const text = await readRegularFile(join(dir, file)).catch(() => "");
    problems.push({ file, ...codeLineOf(text, "after"), message: `after: ${message}` });
  }
  return {
    jobs: originals.filter(({ file }) => !broken.has(file)),
    problems,
    ignored: [...ignored, ...copies.values()],
  };
}

/** `report 2.md` is a copy where its text is that of `report.md`. */
function findNumberedCopies(jobs: readonly FolderJob[]): ReadonlyMap<string, FileProblem> {
  const digests = new Map(jobs.map(({ file, digest }) => [file, digest]));
  const copies = new Map<string, FileProblem>();
  for (const { file, digest } of jobs) {
    const original = numberedCopyOf(file);
    if (original === undefined || digests.get(original) !== digest) continue;
    const message = `it has the same text as ${original}; change it or rename it to make it a job`;
    copies.set(file, { file, message });
  }
  return copies;
}

/** The files of a folder that are jobs by their names. Rejects with CONFIG_INVALID. */
export async function readFolder(dir: string): Promise<FolderNames> {
  const entries = await readdir(dir, { withFileTypes: true }).catch((cause: unknown) => {
    throw new NightshiftError(
      "CONFIG_INVALID",
      "The jobs folder cannot be read; check --jobs.",
      { dir },
      { cause },
    );
  });
  return sortNames(
    entries.filter((entry) => entry.isFile() || entry.isSymbolicLink()).map((entry) => entry.name),
  );
}

async function readJobFile(
  dir: string,
  file: string,
  now: number,
  { cache, signal }: ScanOptions,
): Promise<{ job: FolderJob } | { problem: FileProblem }> {
  const path = join(dir, file);
  const text = await readRegularFile(path);
  const digest = createHash("sha256").update(text).digest("hex");
  const known = cache?.get(file);
  if (known?.digest === digest) return { job: known };
  const read = isPromptFile(file)
    ? readMarkdown(file, text, now)
    : await readCode({ path, file, text }, now, signal);
  if ("problem" in read) return read;
  const job = { file, digest, job: read.job };
  cache?.set(file, job);
  return { job };
}

/**
 * The text of a file, or of the file behind a link. Rejects when it is too large, or is no regular file: a FIFO or a
 * device could be read for ever. It is opened once, so that what was checked is what is read.
 */
async function readRegularFile(path: string): Promise<string> {
  // Without O_NONBLOCK the opening of a FIFO waits for its writer. Windows has neither.
  const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    if (!(await handle.stat()).isFile()) throw new Error("it is no regular file");
    const buffer = Buffer.alloc(MAX_FILE_BYTES + 1);
    let length = 0;
    for (let read = 1; read > 0 && length < buffer.length; length += read)
      ({ bytesRead: read } = await handle.read(buffer, length));
    if (length > MAX_FILE_BYTES) throw new Error(`it is larger than ${MAX_FILE_BYTES / 1024} KiB`);
    const bytes = buffer.subarray(0, length);
    if (!isUtf8(bytes) || bytes.includes(0))
      throw new Error("it is not UTF-8 (UTF-16 or Latin-1, perhaps): save it as UTF-8");
    // Some editors start a file with a byte order mark.
    return bytes.toString("utf8").replace(/^\uFEFF/, "");
  } finally {
    await handle.close();
  }
}

async function readCode(
  { path, file, text }: { path: string; file: string; text: string },
  now: number,
  signal: AbortSignal | undefined,
) {
  const described = await describeCodeJob(path, { ...(signal && { signal }) });
  if ("problem" in described) return { problem: { file, message: described.problem } };
  try {
    return { job: toJob(described.fields, { kind: "code", file }, now) };
  } catch (error) {
    if (!(error instanceof FieldError)) throw error;
    return { problem: { file, ...codeLineOf(text, error.path.at(-1) ?? ""), message: error.message } };
  }
}

/** The line of a field in code, counted from 1; empty when it isn't found. */
function codeLineOf(text: string, field: string): { line?: number } {
  const at = text.split("\n").findIndex((line) => namesField(line, field));
  return at < 0 ? {} : { line: at + 1 };
}

/** True when `line` has the field as a key: `field:`, `"field":`. The name is from the file, so it is no pattern. */
function namesField(line: string, field: string): boolean {
  if (field === "") return false;
  for (let at = line.indexOf(field); at >= 0; at = line.indexOf(field, at + field.length)) {
    const end = at + field.length;
    const isWhole = !/[\w$]/.test(line.charAt(at - 1));
    if (isWhole && /^["'`]?\s*:/.test(line.slice(end, end + 20))) return true;
  }
  return false;
}

/** The source is a .ts file; the bundle has a .js file. */
const THREAD_FILE = new URL(
  import.meta.url.endsWith(".ts") ? "./load-thread.ts" : "./load-thread.js",
  import.meta.url,
);

export type Description = { readonly fields: unknown } | { readonly problem: string };

/** Loads a code job's module in a thread, reads its fields and ends the thread. Never rejects. */
export async function describeCodeJob(
  file: string,
  { timeoutMs = 10_000, signal }: { timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<Description> {
  const worker = new Worker(THREAD_FILE, {
    workerData: file,
    env: {},
    stdout: true,
    stderr: true,
    resourceLimits: { maxOldGenerationSizeMb: 128 },
  });
  const { promise, resolve } = Promise.withResolvers<Description>();
  const timer = setTimeout(
    () => resolve({ problem: `it did not finish loading within ${timeoutMs / 1000} s` }),
    timeoutMs,
  );
  const abort = () => resolve({ problem: "its folder is no longer read" });
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted) abort();
  worker.once("message", (message: Description) => resolve(message));
  worker.once("error", (error: Error) => resolve({ problem: `it cannot be loaded: ${error.message}` }));
  worker.once("exit", () => resolve({ problem: "it ended its thread while it was loaded" }));
  const described = await promise;
  clearTimeout(timer);
  signal?.removeEventListener("abort", abort);
  await worker.terminate();
  return described;
}

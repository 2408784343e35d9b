import { extname } from "node:path";
import type { FileProblem } from "./front-matter.ts";

/** The files of a jobs folder, by their names. */
export interface FolderNames {
  readonly files: readonly string[];
  /** What may be meant as a job and is none, with the reason. */
  readonly ignored: readonly FileProblem[];
}

/**
 * Prompts are `.md` and `.markdown`, whatever their case; code jobs are `.ts`, `.mts`, `.js` and `.mjs`. Names that start
 * with `.` or `_`, `README.md` and types are no jobs, and nothing is said about them; nor about other endings.
 */
export function sortNames(names: readonly string[]): FolderNames {
  const files: string[] = [];
  const ignored: FileProblem[] = [];
  const all = new Set(names);
  for (const file of [...names].sort()) {
    if (/^[._]/.test(file) || file === "README.md" || file.endsWith(".d.ts")) continue;
    const isJob = isPromptFile(file) || isCodeFile(file);
    const reason = isJob ? reasonToIgnore(file, all) : unusualEnding(file);
    if (reason !== undefined) ignored.push({ file, message: reason });
    else if (isJob) files.push(file);
  }
  return { files, ignored };
}

export const isPromptFile = (file: string): boolean => /\.(md|markdown)$/i.test(file);

export const isCodeFile = (file: string): boolean =>
  [".ts", ".js", ".mts", ".mjs"].includes(extname(file)) && !file.endsWith(".d.ts");

function unusualEnding(file: string): string | undefined {
  const [, other] = /\.([mc]?[tj]s|[tj]sx|mdx|mdown|mkdn?)$/i.exec(file) ?? [];
  return other && `a job's file ends in .md, .markdown, .ts, .mts, .js or .mjs, and not in .${other}`;
}

const COPY = "(?:copy|kopie|copie|copia|cópia|kopia|kopi)";
/** What sync tools and merges leave beside a file: Syncthing, Dropbox, Nextcloud, ownCloud, Synology, pCloud, git. */
const CONFLICTS = [
  /\.sync-conflict-/i,
  /\([^()]*conflict[^()]*\)/i,
  /\[[^[\]]*conflict[^[\]]*\]/i,
  /[._-]conflict(?:ed)?(?:[._-]?\d{4,}.*)?$/i,
  /_(?:BACKUP|BASE|LOCAL|REMOTE)_\d+$/,
];
/** What file managers and browsers name a copy; the group is the name of the original. */
const COPIES = [
  new RegExp(`^(.+?) ?\\((?:another |\\d+(?:st|nd|rd|th) )?${COPY}(?: \\d+)?\\)$`, "i"),
  new RegExp(`^(.+?) (?:- )?${COPY}(?: \\(?\\d+\\)?)?$`, "i"),
  new RegExp(`^${COPY} (?:\\(\\d+\\) )?(?:of|von|de|di) (.+)$`, "i"),
  /^(.+?) ?\(\d+\)$/,
];

function reasonToIgnore(file: string, all: ReadonlySet<string>): string | undefined {
  if (/^readme\./i.test(file)) return "a README is no job; call it README.md, or give the job another name";
  const end = extname(file);
  const stem = file.slice(0, -end.length).normalize("NFC");
  if (CONFLICTS.some((conflict) => conflict.test(stem)))
    return "it looks like the copy that a sync tool leaves of two versions; take what you need from it and delete it, or rename it";
  for (const copy of COPIES) {
    const original = copy.exec(stem)?.[1];
    if (original && all.has(original + end))
      return `it looks like a copy of ${original}${end}; delete it, or rename it to make it a job`;
  }
  return undefined;
}

/** The name of the original where a file manager may have numbered a copy: `report 2.md`. Only the text can tell. */
export function numberedCopyOf(file: string): string | undefined {
  const end = extname(file);
  const [, stem] = /^(.+) \d+$/.exec(file.slice(0, -end.length)) ?? [];
  return stem && stem + end;
}

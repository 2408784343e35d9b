import { createRequire } from "node:module";
import { ownString } from "./vocabulary.ts";
import { BASE_FORMS, STOP_WORDS } from "./words.ts";

interface Stemmer {
  stem(word: string): string;
}
interface Snowball {
  newStemmer(algorithm: string): Stemmer;
}

/** Longer runs are cut: nobody searches for the tail of a base64 blob. */
const MAX_TERM_CHARS = 64;
/** Stems remembered over all texts. A pure function of the word, so sharing it between users tells nobody anything. */
const MAX_REMEMBERED_STEMS = 50_000;
const MAX_REMEMBERED_CHARS = 24;

const BEYOND_ASCII = /[\u0080-\uffff]/;
const ASCII_WORD = /[a-z0-9]+(?:'[a-z]+)?(?:-[a-z0-9]+)*/g;
const WORD =
  /\p{Extended_Pictographic}|[\p{L}\p{M}\p{N}]+(?:'[\p{L}\p{M}]+)?(?:-[\p{L}\p{N}][\p{L}\p{M}\p{N}]*)*/gu;
const UNSPACED =
  /[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Hang}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}ー]/u;
const UNSPACED_RUNS = new RegExp(`(?:${UNSPACED.source}\\p{M}*)+`, "gu");
const CJK = /^[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Hang}ー]+$/u;
const CYRILLIC = /^\p{sc=Cyrl}+$/u;

let snowball: Snowball | undefined;
let segmenter: Intl.Segmenter | undefined;
const stemmers = new Map<string, Stemmer>();
const stems = new Map<string, string>();
let stopTerms: ReadonlySet<string> | undefined;

/**
 * One spelling of what a reader takes for the same text: NFKC, case folded, one space between words. Two facts
 * with the same folded text are duplicates.
 */
export function foldText(text: string): string {
  return foldCase(text.normalize("NFKC")).normalize("NFKC").replace(/\s+/g, " ").trim();
}

/** Upper and back again folds what lower case alone does not: ß to ss, the two Greek sigmas to one. */
function foldCase(text: string): string {
  return text.toUpperCase().toLowerCase().replaceAll("ς", "σ");
}

/**
 * The searchable terms of a text, in its order, stemmed. Every other character is a gap between terms, so query
 * operators and wildcards mean nothing. Accents of Latin, Greek and Cyrillic letters are dropped; scripts written
 * without spaces give words by Intl.Segmenter and, for CJK, character pairs, so that a part of a word is found.
 */
export function termsOf(text: string): string[] {
  const terms: string[] = [];
  if (!BEYOND_ASCII.test(text)) {
    for (const word of text.toLowerCase().match(ASCII_WORD) ?? []) pushWord(word, terms);
    return terms;
  }
  const folded = foldCase(text.normalize("NFKC").replaceAll("’", "'"))
    .normalize("NFD")
    .replace(/[\u0300-\u036f]/g, "")
    .normalize("NFC");
  for (const word of folded.match(WORD) ?? []) {
    if (UNSPACED.test(word)) pushUnspaced(word, terms);
    else pushWord(word, terms);
  }
  return terms;
}

/** The terms that a query is about: its terms without stop words, or all of them when it has nothing else. */
export function queryTermsOf(query: string): string[] {
  const all = termsOf(query);
  const telling = all.filter((term) => !isStopTerm(term));
  return [...new Set(telling.length > 0 ? telling : all)];
}

export function isStopTerm(term: string): boolean {
  stopTerms ??= new Set([...STOP_WORDS].map(stemOf));
  return stopTerms.has(term);
}

/** `self-care` gives self, care and selfcare, so that each spelling finds the others. */
function pushWord(word: string, terms: string[]): void {
  if (!word.includes("-")) {
    terms.push(stemOf(word));
    return;
  }
  const parts = word.split("-");
  for (const part of parts) terms.push(stemOf(part));
  if (parts.length === 2) terms.push(stemOf(parts.join("")));
}

function pushUnspaced(word: string, terms: string[]): void {
  segmenter ??= new Intl.Segmenter(undefined, { granularity: "word" });
  let end = 0;
  for (const run of word.matchAll(UNSPACED_RUNS)) {
    if (run.index > end) pushWord(word.slice(end, run.index).replace(/^[-']+|[-']+$/g, ""), terms);
    end = run.index + run[0].length;
    for (const { segment, isWordLike } of segmenter.segment(run[0])) {
      if (isWordLike && !(CJK.test(segment) && segment.length === 2))
        terms.push(segment.slice(0, MAX_TERM_CHARS));
    }
    if (CJK.test(run[0])) pushPairs(run[0], terms);
  }
  if (end < word.length) pushWord(word.slice(end).replace(/^[-']+|[-']+$/g, ""), terms);
}

function pushPairs(run: string, terms: string[]): void {
  const characters = Array.from(run);
  for (let i = 1; i < characters.length; i++) terms.push(`${characters[i - 1]}${characters[i]}`);
}

function stemOf(word: string): string {
  const known = stems.get(word);
  if (known !== undefined) return known;
  const bare = word.replace(/(?:'s|'m|'re|'ve|'ll|'d)$|'/g, "").slice(0, MAX_TERM_CHARS);
  const base = BASE_FORMS.get(bare) ?? bare;
  const stem = stemmerFor(base)?.stem(base) ?? base;
  if (word.length > MAX_REMEMBERED_CHARS) return stem;
  if (stems.size >= MAX_REMEMBERED_STEMS) stems.clear();
  stems.set(ownString(word), ownString(stem));
  return stem;
}

function stemmerFor(word: string): Stemmer | undefined {
  const algorithm = /^[a-z]+$/.test(word) ? "english" : CYRILLIC.test(word) ? "russian" : undefined;
  if (algorithm === undefined) return undefined;
  let stemmer = stemmers.get(algorithm);
  if (stemmer === undefined) {
    snowball ??= createRequire(import.meta.url)("snowball-stemmers") as Snowball;
    stemmer = snowball.newStemmer(algorithm);
    stemmers.set(algorithm, stemmer);
  }
  return stemmer;
}

import { createRequire } from "node:module";
import { codesOf } from "./codes.ts";
import { baseFormsOf } from "./irregular.ts";
import { functionWordsOf } from "./languages.ts";
import { beforeParticle, foldLetters, typedUmlauts, withoutArticle } from "./scripts.ts";
import { STOP_WORDS } from "./words.ts";

interface Stemmer {
  stem(word: string): string;
}
interface Snowball {
  newStemmer(algorithm: string): Stemmer;
}

/** Longer words are cut: nobody searches for the end of a base64 blob. */
const MAX_TERM_CHARS = 64;
/** Stems cached over all texts. A stem depends on its word alone, so sharing the cache between users reveals nothing. */
const MAX_CACHED_STEMS = 50_000;

const BEYOND_ASCII = /[\u0080-\uffff]/;
const ASCII_WORD = /(?<![a-z0-9])[a-z](?:\+\+|#)(?![a-z0-9])|[a-z0-9]+(?:'[a-z]+)?(?:-[a-z0-9]+)*/g;
const WORD =
  /\p{RI}\p{RI}|[0-9#*]\u20e3|\p{Extended_Pictographic}|(?<![\p{L}\p{N}])[a-z](?:\+\+|#)(?![\p{L}\p{N}])|[\p{L}\p{M}\p{N}]+(?:'[\p{L}\p{M}]+)?(?:-[\p{L}\p{N}][\p{L}\p{M}\p{N}]*)*/gu;
const UNSPACED =
  /[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Hang}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}ー]/u;
const UNSPACED_RUNS = new RegExp(`(?:${UNSPACED.source}\\p{M}*)+`, "gu");
const CJK = /^[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Hang}ー]+$/u;
/** French and Italian articles and pronouns that have lost their vowel: l'eau, dell'amico. */
const ELISION =
  /^(?:[ldjmtsnc]|qu|jusqu|lorsqu|puisqu|un|all|dall|dell|nell|sull|coll|quell|quest|gl|dov|cos)'(?=[\p{L}])/u;
const CYRILLIC = /^\p{sc=Cyrl}+$/u;

const CAPITALISED = /(?<![\p{L}\p{N}'’])([A-Z][A-Za-z]*)(['’]s)?(?![\p{L}\p{N}'’])/gu;
const VERBS_AND_NAMES: ReadonlySet<string> = new Set(["Will", "Don"]);

/** The package beside this source; beside the bundle a file of its own. Loaded on first use. */
const SNOWBALL = import.meta.url.endsWith(".ts") ? "snowball-stemmers" : "./snowball-stemmers.cjs";

let snowball: Snowball | undefined;
let segmenter: Intl.Segmenter | undefined;
const stemmers = new Map<string, Stemmer>();
const stems = new Map<string, readonly string[]>();
let stopTerms: ReadonlySet<string> | undefined;

/**
 * One spelling for texts that read the same: NFKC, case folded, one space between words. Two facts with the same folded
 * text are duplicates.
 */
export function foldText(text: string): string {
  if (!BEYOND_ASCII.test(text)) return text.toLowerCase().replace(/\s+/g, " ").trim();
  return foldCase(text.normalize("NFKC")).normalize("NFKC").replace(/\s+/g, " ").trim();
}

/** Through upper case, because lower case alone does not fold ß to ss. The two Greek sigmas become one. */
function foldCase(text: string): string {
  return text.toUpperCase().toLowerCase().replaceAll("ς", "σ");
}

/**
 * Returns the searchable terms of a text in order, stemmed. All other characters only separate terms, so query
 * operators and wildcards have no effect. Accents of Latin, Greek and Cyrillic letters are dropped; scripts written
 * without spaces are split by Intl.Segmenter and, for CJK, into character pairs too, so that a part of a word is found.
 */
export function termsOf(text: string): string[] {
  const terms: string[] = [];
  if (!BEYOND_ASCII.test(text)) {
    for (const word of text.toLowerCase().match(ASCII_WORD) ?? []) pushWord(word, terms);
  } else {
    const folded = foldCase(text.normalize("NFKC").replaceAll("’", "'").replaceAll("\ufe0f", ""));
    for (const word of foldLetters(folded).match(WORD) ?? []) {
      if (UNSPACED.test(word)) pushUnspaced(word, terms);
      else pushWord(withoutArticle(word), terms);
    }
    for (const word of typedUmlauts(folded)) terms.push(...stemsOf(foldLetters(word)));
  }
  for (const code of codesOf(text)) terms.push(...stemsOf(code));
  return terms;
}

/** Returns the terms of a query that a fact must have one of, all of them when it has only stop words, and these. */
export function splitQuery(query: string): { terms: string[]; stopTerms: string[] } {
  const all = [...new Set([...termsOf(query), ...capitalNamesOf(query, false)])];
  const words = foldLetters(foldCase(query.normalize("NFKC"))).match(/\p{L}+/gu) ?? [];
  const isEnglish = (word: string) => STOP_WORDS.has(word);
  const foreign = [...functionWordsOf(words, isEnglish, BEYOND_ASCII.test(query))].flatMap(stemsOf);
  const stops = new Set(foreign);
  const isStop = (term: string) => isStopTerm(term) || stops.has(term);
  const terms = all.filter((term) => !isStop(term));
  return terms.length > 0 ? { terms, stopTerms: all.filter(isStop) } : { terms: all, stopTerms: [] };
}

/**
 * Returns stop words that are written as names, with a capital letter that no other term has: "Us" for the US, "It" for
 * IT, "Will" for a man, "A" for gate A. They are terms beside the word itself. At the beginning of a sentence any word
 * has a capital letter: there, in what `isTold` rather than asked, a verb is more likely to be a name.
 */
export function capitalNamesOf(text: string, isTold: boolean): string[] {
  const names: string[] = [];
  const hasLowerCase = /[a-z]/.test(text);
  const trimmed = text.trim();
  for (const { 0: word, 1: letters = "", 2: possessive, index } of text.matchAll(CAPITALISED)) {
    const lower = letters.toLowerCase();
    if (!STOP_WORDS.has(lower) || lower === "i") continue;
    const isFirst = /(?:^|[.!?:\n])[\s"'“(]*$/.test(text.slice(Math.max(0, index - 8), index));
    const isAcronym = letters.length > 1 && letters === letters.toUpperCase();
    // In a sentence all in capitals they say nothing.
    if (isAcronym && !hasLowerCase && trimmed !== word) continue;
    if (isAcronym || !isFirst || possessive !== undefined || (isTold && VERBS_AND_NAMES.has(word)))
      names.push(letters.charAt(0) + lower.slice(1));
  }
  return names;
}

export function isStopTerm(term: string): boolean {
  stopTerms ??= new Set([...STOP_WORDS].flatMap(stemsOf));
  return stopTerms.has(term);
}

/** Adds self, care and selfcare for `self-care`, so that each spelling finds the others. */
function pushWord(elided: string, terms: string[]): void {
  const word = elided.replace(ELISION, "");
  if (!word.includes("-")) {
    terms.push(...stemsOf(word));
    return;
  }
  const parts = word.split("-");
  for (const part of parts) terms.push(...stemsOf(part));
  if (parts.length === 2) terms.push(...stemsOf(parts.join("")));
}

function pushUnspaced(word: string, terms: string[]): void {
  segmenter ??= new Intl.Segmenter(undefined, { granularity: "word" });
  let end = 0;
  for (const run of word.matchAll(UNSPACED_RUNS)) {
    if (run.index > end) pushWord(word.slice(end, run.index).replace(/^[-']+|[-']+$/g, ""), terms);
    end = run.index + run[0].length;
    for (const { segment, isWordLike } of segmenter.segment(run[0])) {
      if (isWordLike && !(CJK.test(segment) && segment.length === 2))
        terms.push(copyOf(segment.slice(0, MAX_TERM_CHARS)));
    }
    if (CJK.test(run[0])) pushPairs(run[0], terms);
    const bare = beforeParticle(run[0]);
    if (bare !== undefined) terms.push(copyOf(bare.slice(0, MAX_TERM_CHARS)));
  }
  if (end < word.length) pushWord(word.slice(end).replace(/^[-']+|[-']+$/g, ""), terms);
}

function pushPairs(run: string, terms: string[]): void {
  const characters = Array.from(run);
  for (let i = 1; i < characters.length; i++) terms.push(`${characters[i - 1]}${characters[i]}`);
  // Each character then begins some term, by which a query of one character finds it.
  if (characters.length > 1) terms.push(characters.at(-1) ?? "");
}

/** Returns the stem of a word, or both when it can be a form of two. */
function stemsOf(whole: string): readonly string[] {
  const asWritten = whole.slice(0, MAX_TERM_CHARS);
  const known = stems.get(asWritten);
  if (known !== undefined) return known;
  const word = copyOf(asWritten);
  if (stems.size >= MAX_CACHED_STEMS) stems.clear();
  const bare = word.replace(/(?:'s|'m|'re|'ve|'ll|'d)$|'/g, "");
  const found = [...new Set(baseFormsOf(bare).map((base) => stemmerFor(base)?.stem(base) ?? base))];
  stems.set(word, found);
  return found;
}

/** A string of its own: V8 keeps the whole text for a part of it, here for as long as the term is kept. */
const copyOf = (part: string): string => Buffer.from(part).toString();

function stemmerFor(word: string): Stemmer | undefined {
  const algorithm = /^[a-z]+$/.test(word) ? "english" : CYRILLIC.test(word) ? "russian" : undefined;
  if (algorithm === undefined) return undefined;
  let stemmer = stemmers.get(algorithm);
  if (stemmer === undefined) {
    snowball ??= createRequire(import.meta.url)(SNOWBALL) as Snowball;
    stemmer = snowball.newStemmer(algorithm);
    stemmers.set(algorithm, stemmer);
  }
  return stemmer;
}

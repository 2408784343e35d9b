import { joinedCodes, partsOfCode } from "./codes.ts";
import { BEYOND_ASCII, foldCase, foldLetters } from "./fold.ts";
import { ENGLISH, functionWordIn, guessLanguages, type Languages } from "./languages.ts";
import { MAX_TERM_CHARS, stemsOf } from "./stems.ts";
import { ownString } from "./vocabulary.ts";

/** One word of a text, by all the terms under which it is found. The first stands for it. */
interface Word {
  readonly terms: readonly string[];
  /** Has no meaning of its own in the text's language, as "the". */
  readonly isFunction: boolean;
  /** Stands in the text as a word of its own; parts and other spellings of words don't. */
  readonly isWhole: boolean;
}

export interface Words {
  /** In the order of the text. */
  readonly words: readonly Word[];
  readonly languages: Languages;
}

/** Cached over all texts. Words depend on their token alone, so sharing the cache between users reveals nothing. */
const MAX_CACHED = 60_000;
const MAX_CACHED_CHARS = 24;

const ASCII_TOKEN = /[A-Za-z0-9]+(?:'[A-Za-z]+)*(?:-[A-Za-z0-9]+)*(?:[+#]{1,2}(?![A-Za-z0-9+#]))?/g;
const TOKEN =
  /[\u{1f1e6}-\u{1f1ff}]{2}|\u{1f3f4}[\u{e0061}-\u{e007f}]+|[0-9#*]\u20e3|\p{Extended_Pictographic}|[\p{L}\p{M}\p{N}]+(?:['\u200c\u200d][\p{L}\p{M}]+)*(?:-[\p{L}\p{N}][\p{L}\p{M}\p{N}]*)*(?:[+#]{1,2}(?![\p{L}\p{N}+#]))?/gu;
/** Has no parts. */
const CAPITALISED_WORD = /^[A-Z][a-z]+$/;
const PLAIN = /^(?:[a-z]+|[0-9]{1,10})$/;
const SYMBOL = /^(?:[\u{1f1e6}-\u{1f1ff}\u{1f3f4}]|\p{Extended_Pictographic}|[0-9#*]\u20e3)/u;
const SENTENCE_END = /(?:^|^.|[.!?\n:"“„]\s*)$/;
const HUMP = /(?<=[\p{Ll}\p{N}])(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})/u;
const NUMBER_BORDER = /(?<=\p{L}{3})(?=\p{N})|(?<=\p{N})(?=\p{L}{3})/u;

const NEGATION =
  /^(?:do|does|did|is|are|was|were|has|have|had|ca|could|wo|would|should|must|need|might|ai)n't$/;
const ENGLISH_TAIL = /(?:'s|'m|'re|'ve|'ll|'d|')$/;
/** What French, Italian and Catalan write before a vowel. */
const ELIDED =
  /^(?:[cdjlmnstv]|qu|jusqu|lorsqu|puisqu|quoiqu|(?:d|n|c)ell|dall|all|null|sull|coll|gl|un|quell|quest|sant|bell|anch|com|dov|quand|senz|tutt|mezz|nessun|ciascun|grand|pover)'(?=\p{L}{2})/u;

const UNSPACED =
  /[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Hang}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}ー]/u;
const UNSPACED_RUNS = new RegExp(`(?:${UNSPACED.source}\\p{M}*)+`, "gu");
const CJK = /^[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Hang}ー]+$/u;
const HAN = /\p{sc=Han}/gu;

/** More words in capitals alone are shouted, and their case tells nothing. */
const MAX_CAPITALS = 3;
/** A function word that is also a name when it begins a sentence. */
const NAME_WHEN_FIRST = "will";
/** How most sentences begin. */
const STARTS: ReadonlySet<string> = new Set(
  "The A My This That He She It We They You His Her In On At".split(" "),
);
const CAPITALIZED = /(?<![\p{L}\p{N}])[A-Z][A-Za-z]*(?![\p{L}\p{N}])/gu;
/** Stands before a function word that is written as a name or as an abbreviation: Will, US, IT. */
const AS_NAME = "=";

/** What is cached of a token. */
interface Token {
  readonly text: string;
  /** The languages in which it is a function word. None for a single letter: it is a word of many languages. */
  readonly functionIn: Languages;
  /** True for a function word of English with a capital letter. */
  readonly isCapital: boolean;
  /** The words in a text that is English and nothing else. */
  english?: readonly Word[];
}

let segmenter: Intl.Segmenter | undefined;
const cachedTokens = new Map<string, Token>();
/** By the languages guessed and those stemmed in, unless both are English; then by the token. */
const cachedWords = new Map<string, Map<string, readonly Word[]>>();
let cachedCount = 0;

/**
 * The words of a text. Every other character is a gap between them, so query operators and wildcards mean nothing.
 * Scripts written without spaces give words by Intl.Segmenter and, for CJK, character pairs, so that a part of a word
 * is found. `alsoIn`: languages whose stems are wanted beside those that the text looks to be in.
 */
export function wordsOf(text: string, alsoIn: Languages = 0): Words {
  const folded = foldLetters(text);
  const tokens = (folded.match(BEYOND_ASCII.test(folded) ? TOKEN : ASCII_TOKEN) ?? []).map(tokenOf);
  const guessed = guessLanguages(tokens);
  const languages = guessed | alsoIn;
  const words: Word[] = [];
  for (const token of tokens) for (const word of readToken(token, guessed, languages)) words.push(word);
  const mayBeName = ({ text, isCapital }: Token, i: number) => isCapital && (i > 0 || !STARTS.has(text));
  if (tokens.some(mayBeName) && (tokens.length <= MAX_CAPITALS || /\p{Ll}/u.test(folded)))
    for (const name of namesIn(folded))
      words.push({ terms: [AS_NAME + name], isFunction: false, isWhole: false });
  for (const code of joinedCodes(folded, (word) => (functionWordIn(word) & ENGLISH) !== 0))
    words.push({ terms: [code], isFunction: false, isWhole: false });
  return { words, languages: guessed };
}

/** All terms of a text. */
export function termsOf(text: string): string[] {
  return wordsOf(text).words.flatMap(({ terms }) => terms);
}

function tokenOf(text: string): Token {
  const known = cachedTokens.get(text);
  if (known !== undefined) return known;
  const functionIn = functionWordIn(foldCase(text));
  const isCapital = /^[A-Z]/.test(text) && text !== "I" && (functionIn & ENGLISH) !== 0;
  const token = { text: ownString(text), functionIn: text.length === 1 ? 0 : functionIn, isCapital };
  if (text.length <= MAX_CACHED_CHARS) cache(cachedTokens, token.text, token);
  return token;
}

function cache<T>(all: Map<string, T>, key: string, value: T): void {
  if (cachedCount >= MAX_CACHED) {
    cachedWords.clear();
    cachedTokens.clear();
    cachedCount = 0;
  }
  all.set(key, value);
  cachedCount += 1;
}

function readToken(token: Token, guessed: Languages, languages: Languages): readonly Word[] {
  if (languages === ENGLISH) {
    // A capital letter at the beginning changes no word, so both spellings share theirs.
    token.english ??= CAPITALISED_WORD.test(token.text)
      ? readToken(tokenOf(token.text.toLowerCase()), guessed, languages)
      : read(token.text, guessed, languages);
    return token.english;
  }
  const key = `${guessed} ${languages}`;
  const known = cachedWords.get(key)?.get(token.text);
  if (known !== undefined) return known;
  const words = read(token.text, guessed, languages);
  if (token.text.length <= MAX_CACHED_CHARS) {
    const inLanguages = cachedWords.get(key) ?? new Map<string, readonly Word[]>();
    cache(inLanguages, token.text, words);
    cachedWords.set(key, inLanguages);
  }
  return words;
}

function read(token: string, guessed: Languages, languages: Languages): readonly Word[] {
  const collected = createCollector(guessed, languages);
  if (PLAIN.test(token)) collected.whole(token);
  else if (SYMBOL.test(token)) collected.symbol(token);
  else if (UNSPACED.test(token)) pushUnspaced(token, collected);
  else pushToken(token, collected);
  return collected.words;
}

interface Collector {
  readonly words: Word[];
  /** A word that stands in the text. */
  whole(word: string): void;
  /** A part or another spelling of one. */
  part(word: string): void;
  symbol(text: string): void;
}

function createCollector(guessed: Languages, languages: Languages): Collector {
  const words: Word[] = [];
  const push = (word: string, isWhole: boolean) => {
    const isFunction = (functionWordIn(word) & guessed) !== 0;
    if (word !== "") words.push({ terms: stemsOf(word, languages), isFunction, isWhole });
  };
  return {
    words,
    whole: (word) => push(word, true),
    part: (word) => push(word, false),
    symbol(text) {
      words.push({ terms: [text], isFunction: false, isWhole: true });
      if (text.endsWith("\u20e3")) push(text.slice(0, -1), false);
    },
  };
}

/** Function words that are written with a capital where no sentence begins, or in capitals. */
function* namesIn(text: string): Generator<string> {
  for (const { 0: word, index } of text.matchAll(CAPITALIZED)) {
    if (!tokenOf(word).isCapital) continue;
    const isFirst = SENTENCE_END.test(text.slice(Math.max(0, index - 3), index));
    if (!isFirst || word.toLowerCase() === NAME_WHEN_FIRST || /^[A-Z]{2}/.test(word)) yield word;
  }
}

/** `self-care` gives self, care and selfcare, so that each spelling finds the others. */
function pushToken(text: string, to: Collector): void {
  const suffix = /[+#]+$/.exec(text)?.[0] ?? "";
  const parts = text.slice(0, text.length - suffix.length).split(/[-\u200c\u200d]/);
  if (suffix !== "") {
    // C++ is not C, but Disney+ is Disney.
    to.symbol(foldCase(text));
    if (text.length - suffix.length > 1) for (const part of parts) to.part(foldCase(part));
    return;
  }
  for (const part of parts) {
    pushWord(part, to);
    for (const border of [HUMP, NUMBER_BORDER]) {
      const pieces = part.split(border);
      if (pieces.length > 1) for (const piece of pieces) to.part(foldCase(piece));
    }
  }
  if (parts.length > 1) to.part(foldCase(parts.join("")));
}

function pushWord(text: string, to: Collector): void {
  const word = foldCase(text);
  if (NEGATION.test(word)) {
    to.whole("not");
    return;
  }
  const bare = word.replace(ENGLISH_TAIL, "");
  const rest = bare.replace(ELIDED, "");
  to.whole(rest.replaceAll("'", ""));
  if (rest !== bare) to.part(bare.replaceAll("'", ""));
  for (const part of partsOfCode(rest)) to.part(part);
}

function pushUnspaced(word: string, to: Collector): void {
  segmenter ??= new Intl.Segmenter(undefined, { granularity: "word" });
  let end = 0;
  const pushSpaced = (text: string) => {
    const spaced = text.replace(/^[-']+|[-']+$/g, "");
    if (spaced !== "") pushToken(spaced, to);
  };
  for (const run of word.matchAll(UNSPACED_RUNS)) {
    if (run.index > end) pushSpaced(word.slice(end, run.index));
    end = run.index + run[0].length;
    for (const { segment, isWordLike } of segmenter.segment(run[0])) {
      if (isWordLike && !(CJK.test(segment) && segment.length === 2))
        to.whole(segment.slice(0, MAX_TERM_CHARS));
    }
    if (CJK.test(run[0])) pushPairs(run[0], to);
  }
  if (end < word.length) pushSpaced(word.slice(end));
}

function pushPairs(run: string, to: Collector): void {
  const characters = Array.from(run);
  for (let i = 1; i < characters.length; i++) to.whole(`${characters[i - 1]}${characters[i]}`);
  if (characters.length > 1) for (const [character] of run.matchAll(HAN)) to.part(character);
}

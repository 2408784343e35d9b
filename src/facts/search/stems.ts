import { createRequire } from "node:module";
import { bareWord, spelledOut } from "./fold.ts";
import { ENGLISH, type Languages, languageNames } from "./languages.ts";
import { ownString } from "./vocabulary.ts";
import { americanSpelling, collectForms, TWO_WORDS } from "./words.ts";

interface Stemmer {
  stem(word: string): string;
}
interface Snowball {
  newStemmer(algorithm: string): Stemmer;
  algorithms(): string[];
}

/** Longer runs are cut: nobody searches for the tail of a base64 blob. */
export const MAX_TERM_CHARS = 64;
const CYRILLIC = /^[\p{sc=Cyrl}\p{M}]+$/u;
const ARABIC = /^\p{sc=Arab}/u;
const ARMENIAN = /^\p{sc=Armn}/u;
const TAMIL = /^\p{sc=Taml}/u;
const HANGUL = /^\p{sc=Hang}{2,}$/u;
/** Article, alone or after and, with, as, so, for. */
const ARABIC_ARTICLE = /^(?:[وبكف]?ال|لل)(?=..)/;
/** Of Larkey's light stemmer (2007). */
const ARABIC_SUFFIX = /(?<=..)(?:ها|ان|ات|ون|ين|يه|ه|ي)$/;
const KOREAN_PARTICLE =
  /(?<=.)(?:에서는|에게서|으로는|이에요|입니다|이라고|에서|에게|으로|까지|부터|보다|처럼|하고|이랑|께서|한테|이나|마다|조차|밖에|예요|이야|에는|은|는|이|가|을|를|에|의|와|과|도|로|만|랑|나|야)$/;

const MEN = /^[a-z]{3,}men$/;
/** Words in -men that are no plural of -man. */
const NOT_MEN = /^(?:abdo|acu|hy|lu|regi|se|speci|bitu|cycla|albu|foramen|sta)men$/;

/** The package beside this source; beside the bundle a file of its own. Loaded on first use. */
const SNOWBALL = import.meta.url.endsWith(".ts") ? "snowball-stemmers" : "./snowball-stemmers.cjs";
let snowball: Snowball | undefined;
let stemmed: ReadonlySet<string> | undefined;
let forms: ReadonlyMap<string, readonly string[]> | undefined;
const stemmers = new Map<string, Stemmer>();

/**
 * The terms by which a word (lower case, one token) is found, the most likely first: its stem in the text's language,
 * in English, as another verb or noun, without its accents.
 */
export function stemsOf(word: string, languages: Languages): readonly string[] {
  return [...new Set(readingsOf(word.slice(0, MAX_TERM_CHARS), languages))].map(ownString);
}

function readingsOf(word: string, languages: Languages): string[] {
  if (languages === ENGLISH && /^[a-z]+$/.test(word)) return inEnglish(word);
  if (/^[0-9]+$/.test(word)) return [word];
  const bare = bareWord(word);
  if (/^[a-z]+$/.test(bare)) return [...inLanguages(word, bare, languages), ...inEnglish(bare)];
  if (CYRILLIC.test(word)) return inLanguage("russian", word, bare);
  if (ARABIC.test(word)) return inArabic(word);
  if (HANGUL.test(word)) return [word, word.replace(KOREAN_PARTICLE, "")];
  if (ARMENIAN.test(word)) return inLanguage("armenian", word, bare);
  if (TAMIL.test(word)) return inLanguage("tamil", word, bare);
  return [bare];
}

function inLanguages(word: string, bare: string, languages: Languages): string[] {
  const others = languages & ~ENGLISH;
  if (others === 0 && word === bare) return [];
  const spelled = spelledOut(word);
  const found: string[] = [];
  for (const name of languageNames(others)) {
    found.push(...inLanguage(name, word, bare));
    if (spelled !== undefined) found.push(...inLanguage(name, spelled, spelled));
  }
  return spelled === undefined ? found : [...found, stemIn("english", bare), stemIn("english", spelled)];
}

/** Stemmers need the accents, which whoever asks may leave out. */
function inLanguage(name: string, word: string, bare: string): string[] {
  return [bareWord(stemIn(name, word)), stemIn(name, bare)];
}

function inEnglish(word: string): string[] {
  forms ??= collectForms();
  const spelling = americanSpelling(word);
  const bases = forms.get(word) ?? forms.get(spelling) ?? singularOf(word);
  const own = stemIn("english", spelling);
  if (bases === undefined) return [own];
  const stems = bases.map((base) => stemIn("english", base));
  // "leaves" is of leaf and of leave: a plural may be a verb's form as well.
  return TWO_WORDS.has(word) || /[^s]s$/.test(word) ? [...stems, own] : stems;
}

/** Only of words like firemen. */
const singularOf = (word: string): readonly string[] | undefined =>
  MEN.test(word) && !NOT_MEN.test(word) ? [word.replace(/en$/, "an")] : undefined;

function inArabic(word: string): string[] {
  const bare = word.replace(ARABIC_ARTICLE, "");
  return [bare, bare.replace(ARABIC_SUFFIX, "")];
}

/** `word` itself in a language that has no stemmer. */
function stemIn(language: string, word: string): string {
  let stemmer = stemmers.get(language);
  if (stemmer === undefined) {
    snowball ??= createRequire(import.meta.url)(SNOWBALL) as Snowball;
    stemmed ??= new Set(snowball.algorithms());
    stemmer = stemmed.has(language) ? snowball.newStemmer(language) : { stem: (same) => same };
    stemmers.set(language, stemmer);
  }
  return stemmer.stem(word);
}

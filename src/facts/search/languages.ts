import { bareWord, foldCase, foldLetters } from "./fold.ts";
import { FUNCTION_WORDS } from "./function-words.ts";
import { STOP_WORDS } from "./words.ts";

/** A set of languages, one bit for each. */
export type Languages = number;

export const ENGLISH: Languages = 1;
const LANGUAGE_NAMES: readonly string[] = ["english", ...Object.keys(FUNCTION_WORDS)];
/** Languages that write compounds as one word. */
export const COMPOUNDING = languagesOf("danish dutch finnish german hungarian norwegian swedish".split(" "));
/** Of languages that share their function words, as Danish and Norwegian do, a text is taken for at most so many. */
const MAX_LIKELY = 3;

/** One word in so many, at least, says nothing of its own in a sentence of any language. */
const FEWEST_FUNCTION_WORDS = 6;

let functionWords: ReadonlyMap<string, Languages> | undefined;

function languagesOf(names: readonly string[]): Languages {
  return names.reduce((set, name) => set | (1 << LANGUAGE_NAMES.indexOf(name)), 0);
}

export function languageNames(languages: Languages): string[] {
  return LANGUAGE_NAMES.filter((_, i) => (languages & (1 << i)) !== 0);
}

/** The languages in which `word` (lower case) says nothing of its own; its accents may be left out. */
export function functionWordIn(word: string): Languages {
  functionWords ??= collectFunctionWords();
  return functionWords.get(word) ?? 0;
}

function collectFunctionWords(): Map<string, Languages> {
  const all = new Map<string, Languages>();
  const add = (word: string, language: Languages) => all.set(word, (all.get(word) ?? 0) | language);
  const addAll = (words: Iterable<string>, language: Languages) => {
    for (const word of words) {
      const folded = /[\u0080-\uffff]/.test(word) ? foldCase(foldLetters(word)) : word;
      add(folded, language);
      const bare = bareWord(folded);
      if (bare !== folded) add(bare, language);
    }
  };
  addAll(STOP_WORDS, ENGLISH);
  for (const [name, words] of Object.entries(FUNCTION_WORDS)) addAll(words.split(/\s+/), languagesOf([name]));
  return all;
}

/** The languages that have the most of a text's words as function words. English unless another has more. */
export function guessLanguages(tokens: readonly { readonly functionIn: Languages }[]): Languages {
  // Most texts: every function word is English too.
  if (tokens.every(({ functionIn }) => functionIn === 0 || (functionIn & ENGLISH) !== 0)) return ENGLISH;
  const counts = new Uint16Array(LANGUAGE_NAMES.length);
  for (const { functionIn } of tokens) {
    for (let set = functionIn; set !== 0; set &= set - 1) {
      const i = 31 - Math.clz32(set & -set);
      counts[i] = (counts[i] as number) + 1;
    }
  }
  const most = counts.reduce((a, b) => Math.max(a, b), 0);
  if (counts[0] === most || most * FEWEST_FUNCTION_WORDS < tokens.length) return ENGLISH;
  let likely = 0;
  let found = 0;
  for (let i = 1; i < counts.length && found < MAX_LIKELY; i++) {
    if (counts[i] !== most) continue;
    likely |= 1 << i;
    found += 1;
  }
  return likely;
}

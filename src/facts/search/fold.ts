export const BEYOND_ASCII = /[\u0080-\uffff]/;
/** Marks of Latin, Greek and Cyrillic letters. */
const ACCENTS = /[\u0300-\u036f]/g;
/** Letters that Unicode does not take apart. */
const PLAIN_LETTERS: Readonly<Record<string, string>> = {
  œ: "oe",
  æ: "ae",
  ø: "o",
  ł: "l",
  đ: "d",
  ð: "d",
  þ: "th",
  ħ: "h",
  ŋ: "n",
  ı: "i",
  ŧ: "t",
};
const SPECIAL_LETTERS = /[œæøłđðþħŋıŧ]/g;
/** How those letters are written where a keyboard lacks them. */
const TWO_LETTERS: Readonly<Record<string, string>> = {
  ä: "ae",
  ö: "oe",
  ü: "ue",
  ø: "oe",
  å: "aa",
  æ: "ae",
};

// Vowel points, tatweel and hamza; Hebrew points; nukta; variation selectors.
const POINTS =
  /[\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0640\u0621\u0591-\u05c7\u093c\u09bc\u0a3c\u0abc\u0b3c]|[\ufe00-\ufe0f]/g;
const ARABIC_LETTERS: Readonly<Record<string, string>> = {
  "\u0671": "ا",
  ى: "ي",
  ی: "ي",
  ې: "ي",
  ک: "ك",
  ة: "ه",
  ۀ: "ه",
  ہ: "ه",
  ە: "ه",
};
const ARABIC_VARIANTS = /[\u0671ىیېکةۀہە]/g;
/** A nasal before a consonant is written as a letter or as a dot. */
const DEVANAGARI_NASAL = /[ङञणनम]\u094d(?=[क-ह])|\u0901/g;
const OTHER_SCRIPTS = /[\u0590-\u0dff\u30a0-\u30ff]|[\ufe00-\ufe0f]/;
const ANY_DIGIT = /\p{Nd}/gu;
const KATAKANA = /[\u30a1-\u30f6]/g;
const KATAKANA_TO_HIRAGANA = 0x60;

/** One spelling of what a reader takes for the same tag: NFKC, case folded, one space between words. */
export function foldText(text: string): string {
  return foldCase(text.normalize("NFKC")).normalize("NFKC").replace(/\s+/g, " ").trim();
}

/** Through upper case, because lower case alone does not fold ß to ss. The two Greek sigmas become one. */
export function foldCase(text: string): string {
  if (!BEYOND_ASCII.test(text)) return text.toLowerCase();
  return text.toUpperCase().toLowerCase().replaceAll("ς", "σ");
}

/**
 * One spelling of each letter for the search: compatibility forms, apostrophes, digits, points and letters that one
 * script writes in several ways. Case and accents stay: stemmers and identifiers need them.
 */
export function foldLetters(text: string): string {
  if (!BEYOND_ASCII.test(text)) return text;
  const folded = text.normalize("NFKC").replace(/[’‘ʼ`´]/g, "'");
  if (!OTHER_SCRIPTS.test(folded)) return folded;
  return folded
    .normalize("NFD")
    .replace(POINTS, "")
    .normalize("NFC")
    .replace(ARABIC_VARIANTS, (letter) => ARABIC_LETTERS[letter] ?? letter)
    .replace(DEVANAGARI_NASAL, "\u0902")
    .replace(KATAKANA, (letter) => String.fromCharCode(letter.charCodeAt(0) - KATAKANA_TO_HIRAGANA))
    .replace(ANY_DIGIT, digitOf);
}

/** Without accents. */
export function bareWord(word: string): string {
  if (!BEYOND_ASCII.test(word)) return word;
  return word
    .normalize("NFD")
    .replace(ACCENTS, "")
    .normalize("NFC")
    .replace(SPECIAL_LETTERS, (letter) => PLAIN_LETTERS[letter] ?? letter);
}

/** `koeln` for `köln`; undefined for a word without such letters. */
export function spelledOut(word: string): string | undefined {
  if (!/[äöüøåæ]/.test(word)) return undefined;
  return bareWord(word.replace(/[äöüøåæ]/g, (letter) => TWO_LETTERS[letter] ?? letter));
}

/** Every script's digits stand ten in a row, from 0 on, and a block of them begins at a code without remainder. */
function digitOf(digit: string): string {
  const code = digit.codePointAt(0) as number;
  if (code < 0x80) return digit;
  let zero = code;
  while (/\p{Nd}/u.test(String.fromCodePoint(zero - 1)) && code - zero < 9) zero -= 1;
  return String(code - zero);
}

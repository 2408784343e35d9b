/** Letters that Unicode does not decompose, as people without them type them. */
const PLAIN_LETTERS: Readonly<Record<string, string>> = {
  œ: "oe",
  æ: "ae",
  ø: "o",
  ł: "l",
  đ: "d",
  ð: "d",
  þ: "th",
  ı: "i",
  ħ: "h",
  ŧ: "t",
  // One letter for those of Arabic and of Persian keyboards, and for word ends that are often confused.
  ى: "ي",
  ی: "ي",
  ک: "ك",
  ة: "ه",
  ہ: "ه",
  "\u0640": "",
};
const TO_PLAIN = new RegExp(`[${Object.keys(PLAIN_LETTERS).join("")}]`, "g");
/**
 * Accents, the vowel signs of Arabic and Hebrew, hamza, the dot of Indic letters; and the joiners, which only say how
 * letters are drawn.
 */
const MARKS =
  /[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670\u093c\u09bc\u0a3c\u200c\u200d]/g;

/** Drops what readers leave out when they type: accents, vowel signs and the like. */
export function foldLetters(text: string): string {
  return text
    .normalize("NFD")
    .replace(MARKS, "")
    .normalize("NFC")
    .replace(TO_PLAIN, (letter) => PLAIN_LETTERS[letter] ?? letter);
}

const TYPED_UMLAUTS: Readonly<Record<string, string>> = { ä: "ae", ö: "oe", ü: "ue", å: "aa", ø: "oe" };

const UMLAUT = /[äöüåø]/;

/** Returns the words with umlauts in the spelling of a keyboard that has none: "koeln" for Köln. */
export function typedUmlauts(text: string): string[] {
  const words = text.normalize("NFC").match(/\p{L}+/gu) ?? [];
  return words
    .filter((word) => UMLAUT.test(word))
    .map((word) => word.replace(/[äöüåø]/g, (letter) => TYPED_UMLAUTS[letter] ?? letter));
}

const ARABIC_ARTICLE = /^(?:[وبكف]?ال|لل)(?=\p{sc=Arab}{3})/u;
const KOREAN_PARTICLE =
  /(?:에서|에게|으로|부터|까지|이에요|예요|입니다|은|는|이|가|을|를|에|의|도|로|와|과|만)$/;

/** The word without the Arabic article. */
export function withoutArticle(word: string): string {
  return word.replace(ARABIC_ARTICLE, "");
}

/** The word before its Korean particle, or undefined when it has none. */
export function beforeParticle(word: string): string | undefined {
  const bare = word.replace(KOREAN_PARTICLE, "");
  return bare === "" || bare === word ? undefined : bare;
}

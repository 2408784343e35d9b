const GROUPED_DIGITS = /(?<!\d)\d+(?:(?:[,.'’/-]|\)?[ \u00a0\u202f-]|\) ?)\d+)+/g;
/** Groups apart by a space are one number only if they look like it: "2019 2020" are two years. */
const SPACED = /[ \u00a0\u202f)]/;
const MIN_SPACED_DIGITS = 7;
const BANK_ACCOUNT = /\b[A-Za-z]{2}\d{2}(?:[ -][A-Za-z0-9]{4}){2,7}(?:[ -][A-Za-z0-9]{1,4})?\b/g;
/** BA 117, A 320, AB-1234. */
const LETTERS_AND_NUMBER = /\b([A-Z]{1,3})[ -](\d{1,5})\b/g;
const LOWER_LETTERS_AND_NUMBER = /\b([a-z]{2,3})[ -](\d{2,5})\b/g;
const IDENTIFIER = /[A-Za-z0-9]+/g;
const CAMEL_CASE = /[a-z][A-Z]/;
const CAMEL_PART = /[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+/g;

// No pattern here may try a long run of letters or digits from each of its places: texts are as long as a fact.

/**
 * Returns what a text's numbers and codes are in one piece, and the words of an identifier: 45000 for 45,000,
 * 5551234567 for 555-123-4567, ba117 for BA 117, and parse, http and header for parseHttpHeader.
 */
export function codesOf(text: string): string[] {
  const codes = /\d/.test(text) ? numbersOf(text) : [];
  if (CAMEL_CASE.test(text))
    for (const [name] of text.matchAll(IDENTIFIER))
      if (CAMEL_CASE.test(name))
        for (const part of name.match(CAMEL_PART) ?? []) codes.push(part.toLowerCase());
  return codes;
}

function numbersOf(text: string): string[] {
  const codes: string[] = [];
  for (const [group] of text.matchAll(GROUPED_DIGITS)) {
    const digits = group.replace(/\D/g, "");
    if (!SPACED.test(group) || digits.length >= MIN_SPACED_DIGITS) codes.push(digits);
  }
  for (const [account] of text.matchAll(BANK_ACCOUNT)) codes.push(account.replace(/[ -]/g, "").toLowerCase());
  for (const pattern of [LETTERS_AND_NUMBER, LOWER_LETTERS_AND_NUMBER])
    for (const [, letters = "", number = ""] of text.matchAll(pattern))
      codes.push(letters.toLowerCase() + number);
  return codes;
}

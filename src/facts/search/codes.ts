/** Numbers and codes in groups: 45,000, 555-123-4567, DE89 3704 0044, LH 2417, GB29 NWBK 6016. */
const GROUPED =
  /(?<![\p{L}\p{N}])(?:[A-Z]{1,4}|[a-z]{2}|[A-Za-z]{0,6}[0-9][A-Za-z0-9]{0,15})(?![\p{L}\p{N}])(?:(?:[ .,'/:\-\u00a0\u202f()]|\) | \(|\)-)(?:[A-Z]{1,4}|[a-z]{2}|[A-Za-z]{0,6}[0-9][A-Za-z0-9]{0,15})(?![\p{L}\p{N}]))+/gu;
/** A quick look for a digit beside what may be another group; most texts have none. */
const NEIGHBOURS =
  /(?:[A-Z0-9]|\b[a-z]{2})[ .,'/:\-\u00a0\u202f()]{1,2}[A-Za-z]{0,6}[0-9]|[0-9][A-Za-z]{0,12}[ .,'/:\-\u00a0\u202f()]{1,2}(?:[A-Z0-9]|[a-z]{2}\b)/;
const GROUP = /[A-Za-z0-9]+/g;
const HAS_DIGIT = /[0-9]/;
/** A group without a digit belongs to a code when it is short and in capitals, or of two letters as LH is. */
const LETTERS_OF_CODE = /^(?:[A-Z]{1,4}|[a-z]{2})$/;
const MAX_GROUPS = 10;
const MIN_CHARS = 3;
const LONG_NUMBER = /^[0-9]{11,15}$/;
/** A phone number without its country. */
const NATIONAL_DIGITS = [10, 9];
const NUMBERED = /^([a-z]{1,4})0*([0-9]{2,})$/;
/** No longer word is a number or a code. `NUMBERED` tries a run of zeros from each of its places. */
const MAX_CODE_CHARS = 64;

/**
 * Every way of writing neighbouring groups together, so that a number is found however it is grouped, and as part of
 * a longer one. `isWord` tells of a group without digits that it is an ordinary word.
 */
export function joinedCodes(text: string, isWord: (word: string) => boolean): string[] {
  if (!HAS_DIGIT.test(text) || !NEIGHBOURS.test(text)) return [];
  const joined: string[] = [];
  for (const [run] of text.matchAll(GROUPED)) {
    if (!HAS_DIGIT.test(run)) continue;
    let groups: string[] = [];
    for (const group of [...(run.match(GROUP) ?? []), ""]) {
      const belongs = HAS_DIGIT.test(group) || (LETTERS_OF_CODE.test(group) && !isWord(group.toLowerCase()));
      if (belongs && groups.length < MAX_GROUPS) groups.push(group.toLowerCase());
      else {
        joined.push(...neighboursOf(groups));
        groups = belongs ? [group.toLowerCase()] : [];
      }
    }
  }
  return joined;
}

/** Parts of one token: the number of LH0417 without zeros, a long number without its first digits. */
export function partsOfCode(word: string): string[] {
  if (word.length > MAX_CODE_CHARS) return [];
  const [, letters = "", number = ""] = NUMBERED.exec(word) ?? [];
  if (number !== "") return [number, letters + number];
  return LONG_NUMBER.test(word) ? NATIONAL_DIGITS.map((digits) => word.slice(-digits)) : [];
}

function neighboursOf(groups: readonly string[]): string[] {
  const joined: string[] = [];
  for (let from = 0; from < groups.length; from++) {
    for (let to = from + 2; to <= groups.length; to++) {
      const code = groups.slice(from, to).join("");
      if (code.length >= MIN_CHARS && HAS_DIGIT.test(code)) joined.push(code, ...partsOfCode(code));
    }
  }
  return joined;
}

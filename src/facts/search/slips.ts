/** Too many other words differ from a shorter one by one letter. */
const MIN_CHARS = 5;
/** Bounds the work for a longer word: nobody types one and remembers all of it but a letter. */
const MAX_CHARS = 24;
/** The scripts of letters lie below: then come syllables and characters, of which there are thousands. */
const END_OF_ALPHABETS = 0x1100;
const BLOCK_CHARS = 128;
const alphabets = new Map<number, readonly string[]>();

/**
 * Yields every spelling with one letter added, left out or replaced, or two neighbours swapped (optimal string alignment
 * distance 1), about 50 for each letter of `word`. Looking these up costs the same however many words are stored; an
 * index of the stored words by their slips would multiply their memory.
 */
export function* slipsOf(word: string): Generator<string> {
  if (word.length < MIN_CHARS || word.length > MAX_CHARS) return;
  const letters = alphabetOf(word);
  for (let i = 0; i <= word.length; i++) {
    const head = word.slice(0, i);
    const tail = word.slice(i);
    for (const letter of letters) {
      yield head + letter + tail;
      if (tail !== "") yield head + letter + tail.slice(1);
    }
    if (tail.length > 1) yield head + tail[1] + tail[0] + tail.slice(2);
    if (tail !== "" && word.length > MIN_CHARS) yield head + tail.slice(1);
  }
}

/** The lower-case letters of the word's Unicode block, 26 to about 100. */
function alphabetOf(word: string): readonly string[] {
  const code = word.charCodeAt(0);
  if (code >= END_OF_ALPHABETS) return [];
  const block = Math.floor(code / BLOCK_CHARS);
  let letters = alphabets.get(block);
  if (letters === undefined) {
    letters = Array.from({ length: BLOCK_CHARS }, (_, i) =>
      String.fromCharCode(block * BLOCK_CHARS + i),
    ).filter((char) => /\p{L}/u.test(char) && char === char.toLowerCase());
    alphabets.set(block, letters);
  }
  return letters;
}

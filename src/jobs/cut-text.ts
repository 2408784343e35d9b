const NEAR = 64;

/** The first `maxChars` UTF-16 units of a text, less if that would cut a character: a letter with its accents, an emoji. */
export function cutText(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  // Only the end is looked at: a character that is longer than this is none.
  const start = Math.max(0, maxChars - NEAR);
  const near = text.slice(start, maxChars + NEAR);
  const at = new Intl.Segmenter().segment(near).containing(maxChars - start);
  if (at && at.index > 0) return text.slice(0, start + at.index);
  const splitsPair = /[\uD800-\uDBFF]$/.test(text.slice(0, maxChars));
  return text.slice(0, splitsPair ? maxChars - 1 : maxChars);
}

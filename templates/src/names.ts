// What stands for a participant whose camera is off.

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

function firstGrapheme(word: string): string {
  for (const { segment } of graphemes.segment(word)) return segment;
  return "";
}

/** Keeps letters from being written as a word, as those of Arabic would be. */
const APART = "\u200c";

/** Of the first and the last word that begin with a letter; "" if there is none, as in a telephone
 * number. */
export function initialsOf(name: string): string {
  const words = name.split(/[\s_.@-]+/u).filter((word) => /^\p{L}/u.test(word));
  const ends = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  return ends.map((word) => firstGrapheme(word ?? "").toLocaleUpperCase()).join(APART);
}

/** One of `count`, the same for a text each time. */
export function numberOf(text: string, count: number): number {
  let hash = 0;
  for (const character of text) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) >>> 0;
  return hash % count;
}

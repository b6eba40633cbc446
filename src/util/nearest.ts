/** Number of edits between two words: a letter added, removed, replaced, or two letters swapped. */
function editDistance(from: string, to: string): number {
  let before: number[] = [];
  let above = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const here = [row];
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1];
      const swapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      here[column] = Math.min(
        above[column - 1]! + (same ? 0 : 1),
        above[column]! + 1,
        here[column - 1]! + 1,
        swapped ? before[column - 2]! + 1 : Number.POSITIVE_INFINITY,
      );
    }
    before = above;
    above = here;
  }
  return above[to.length]!;
}

/** A third of the letters of a word may be wrong. */
function tolerance(word: string): number {
  return Math.floor(word.replaceAll('-', '').length / 3);
}

/** `did you mean --read-only?` for the nearest known word, or one that begins with the word; else null. */
export function didYouMean(word: string, known: readonly string[]): string | null {
  const kebab = word.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const rated = known.map((candidate) => {
    const isBegun = kebab.replaceAll('-', '').length >= 2 && candidate.startsWith(kebab);
    return { candidate, distance: isBegun ? 0 : editDistance(kebab, candidate) };
  });
  const best = rated.sort((one, other) => one.distance - other.distance)[0];
  if (best === undefined || best.distance > tolerance(kebab)) return null;
  return `did you mean ${best.candidate}?`;
}

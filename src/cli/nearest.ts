/** Edits (a letter more, less, other, or two swapped) that turn one word into the other. */
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

/** Letters of a word without its dashes, of which a third may be wrong. */
function tolerance(word: string): number {
  return Math.floor(word.replaceAll('-', '').length / 3);
}

/** `did you mean --read-only?`, or null if no known word is like it: near, or longer by an end. */
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

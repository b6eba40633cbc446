/**
 * Names in control files are written as /proc/mounts writes paths: a space, a tab, a line feed, a
 * backslash, and also `=`, `,` and control characters, become a backslash and three octal digits. So a line
 * can be split at spaces and a word at its `=`. A member that is called `total` has its first letter written so: a
 * line of that name in `io.stat` is the sum.
 */
const SPECIAL = /[ \\=,]|\p{Cc}/gu;
const TOTAL = 'total';

export function escapeName(name: string): string {
  if (name === TOTAL) return `${octal('t')}otal`;
  return name.replace(SPECIAL, octal);
}

/** The name that a text stands for. A backslash without three octal digits stands for itself. */
export function unescapeName(text: string): string {
  return text.replace(/\\([0-3][0-7]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

function octal(character: string): string {
  return `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`;
}

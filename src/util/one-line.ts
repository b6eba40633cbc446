const NAMED: Readonly<Record<string, string>> = { '\n': '\\n', '\t': '\\t', '\r': '\\r' };

/**
 * Text for a terminal or a log, as one line: control characters are written out (`\n`, `\x1b`). Names
 * come from images and from other users, and an escape sequence in one would reach the terminal.
 */
export function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, (character) => {
    const code = character.charCodeAt(0).toString(16).padStart(2, '0');
    return NAMED[character] ?? `\\x${code}`;
  });
}

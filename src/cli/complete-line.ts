import type { Command } from './declaration.js';
import type { Shell } from './shell-scripts.js';
import { type Live, type Suggestion, suggest } from './suggest.js';

/** The answer to a shell that asks what may come next: a line for each word. */

/** Loaded only where a name is asked for: HTTP takes longer than all else here. */
const LIVE: Live = {
  mountpoints: async () => (await import('./live-names.js')).sluiceMountpoints(),
  groups: async (mountpoint) =>
    (await (await import('./live-names.js')).namesOf(mountpoint)).groups,
  images: async (mountpoint) =>
    (await (await import('./live-names.js')).namesOf(mountpoint)).images,
};

/**
 * Splits a line of bash as the shell does, as far as completion goes: quotes and backslashes. The last word may be
 * unfinished, or empty.
 */
export function splitLine(line: string): string[] {
  const words = line.match(/(?:\\.|"(?:\\.|[^"\\])*"?|'[^']*'?|[^\s"'\\]|\\$)+/gs) ?? [];
  const isNew = line === '' || /(?<!\\)\s$/.test(line);
  const plain = words.map((word) =>
    word.replaceAll(/\\(.)|"((?:\\.|[^"\\])*)"?|'([^']*)'?/gs, (_, escaped, double, single) => {
      return escaped ?? double?.replaceAll(/\\(["\\$`])/g, '$1') ?? single;
    }),
  );
  return isNew ? [...plain, ''] : plain;
}

/** For bash: without what it keeps of the word, and with a backslash where it needs one. */
function forBash(suggestions: readonly Suggestion[], current: string, piece: string): string[] {
  // A piece that is a separator stays, and the word comes after it.
  const replaced = piece === '=' || piece === ':' ? '' : piece.replaceAll(/[\\"']/g, '');
  const kept = Math.max(0, current.length - replaced.length);
  const isQuoted = /^["']/.test(piece);
  return suggestions.map(({ word }) => {
    const rest = word.slice(kept);
    return isQuoted ? rest : rest.replaceAll(/[^\w@%+=:,./~-]/g, '\\$&');
  });
}

/**
 * @param line The words after the name of the program, the last one as far as it is typed. For bash two words: the piece
 *   that bash would replace, and the whole line.
 */
export async function completeLine(
  shell: Shell,
  line: readonly string[],
  commands: readonly Command[],
): Promise<string> {
  const [piece = '', typed = ''] = line;
  const words = shell === 'bash' ? splitLine(typed).slice(1) : line;
  const current = words.at(-1) ?? '';
  const suggestions = await suggest(words.slice(0, -1), current, commands, LIVE);
  const lines =
    shell === 'bash'
      ? forBash(suggestions, current, piece)
      : suggestions.map(({ word, about }) => `${word}\t${about}`);
  return lines.map((one) => `${one}\n`).join('');
}

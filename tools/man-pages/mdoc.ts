/** Pieces of pages in mdoc(7), the language of manual pages. Pure. */

const WIDTH = 78;

const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\e',
  '-': '\\-',
  "'": '\\(aq',
  '`': '\\(ga',
  '^': '\\(ha',
  '~': '\\(ti',
};

/** A text as words that stand for themselves. */
function verbatim(text: string): string {
  return text.replaceAll(/[\\\-'`^~]/g, (letter) => ESCAPES[letter]!);
}

/** A line that is no request: those begin with a dot. */
function plain(line: string): string {
  return line.startsWith('.') ? `\\&${line}` : line;
}

/** Prose: a line for each sentence, as mandoc wants it, and long ones broken. */
export function prose(text: string): string {
  const sentences = verbatim(text).split(/(?<=[^.][.!?]) +/);
  return sentences.flatMap(wrap).map(plain).join('\n');
}

function wrap(sentence: string): string[] {
  const lines: string[] = [];
  for (const word of sentence.split(/\s+/)) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > WIDTH) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

/** A word as an argument of a request: quoted, so that it is never one itself. */
export function word(text: string): string {
  return `"${verbatim(text).replaceAll('"', '\\(dq')}"`;
}

export function section(title: string, ...parts: readonly string[]): string {
  return parts.length === 0 ? '' : [`.Sh ${title}`, ...parts].join('\n');
}

/** Things with their meanings. A head is a request without its dot, such as `Fl -force`. */
export function list(items: readonly (readonly [head: string, body: string])[]): string[] {
  if (items.length === 0) return [];
  const lines = items.flatMap(([head, body]) => [`.It ${head}`, body]);
  return ['.Bl -tag -width Ds', ...lines, '.El'];
}

/** Lines that stay as they are. */
export function literal(text: string): string {
  const lines = text.split('\n').map((line) => plain(verbatim(line)));
  return ['.Bd -literal -offset indent', ...lines, '.Ed'].join('\n');
}

export interface Page {
  /** `sluice-mount`. */
  name: string;
  /** 1: commands, 5: files, 8: for the administrator. */
  part: 1 | 5 | 8;
  about: string;
  sections: readonly string[];
}

/** @param date of the version, as mdoc has it: `November 30, 2026` */
export function formatPage({ name, part, about, sections }: Page, version: string, date: string) {
  const head = [
    `.Dd ${date}`,
    `.Dt ${name.toUpperCase()} ${part}`,
    `.Os Sluice ${version}`,
    section('NAME', `.Nm ${name}`, `.Nd ${verbatim(about)}`),
  ];
  return `${[...head, ...sections.filter((text) => text !== '')].join('\n')}\n`;
}

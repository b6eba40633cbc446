import type { Look, Run } from './screen-text.js';

/** One screen and how long it is shown. */
export interface Frame {
  readonly lines: readonly (readonly Run[])[];
}

/** Pixels of a cell, and around the screen. */
const CELL = 8.4;
const LINE = 18;
const EDGE = 14;

/** Colours on a dark ground, the same on light and dark pages. */
const GROUND = '#0d1117';
const TEXT = '#e6edf3';
const COLOURS = ['#484f58', '#ff7b72', '#3fb950', '#d29922', '#58a6ff', '#bc8cff', '#39c5cf', TEXT];

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

function runSvg(text: string, { bold, dim, inverse, colour }: Look, column: number): string {
  const x = (column * CELL).toFixed(1);
  const width = (text.length * CELL).toFixed(1);
  const ink = colour === null ? TEXT : COLOURS[colour];
  const ground = `<rect x="${x}" y="-13" width="${width}" height="${LINE}" fill="${ink}"/>`;
  if (text.trim() === '') return inverse ? ground : '';
  // Each font has other widths: the picture says how wide its cells are.
  const shown = text.trimEnd();
  const place = `x="${x}" textLength="${(shown.length * CELL).toFixed(1)}" lengthAdjust="spacingAndGlyphs"`;
  const style = `${bold ? ' font-weight="bold"' : ''}${dim ? ' opacity="0.6"' : ''}`;
  const fill = inverse ? GROUND : ink;
  return `${inverse ? ground : ''}<text ${place} fill="${fill}"${style}>${escaped(shown)}</text>`;
}

function lineSvg(runs: readonly Run[]): string {
  let column = 0;
  const parts = runs.map(({ text, look }) => {
    // Spaces within a run are kept; those at its beginning are left out by moving it.
    const lead = look.inverse ? 0 : text.length - text.trimStart().length;
    const part = runSvg(text.slice(lead), look, column + lead);
    column += text.length;
    return part;
  });
  return parts.join('');
}

/**
 * Screens, one after the other, as a picture (SVG) that moves by CSS alone. Who asks for less motion sees the last
 * screen. A line that several screens have is written once.
 *
 * @param seconds How long each is shown.
 */
export function movingPicture(
  frames: readonly Frame[],
  columns: number,
  rows: number,
  seconds: number,
): string {
  const width = Math.ceil(columns * CELL + 2 * EDGE);
  const height = rows * LINE + 2 * EDGE;
  const names = new Map<string, string>();
  const groups = frames.map(({ lines }, frame) => {
    const uses = lines.map((runs, row) => {
      const svg = lineSvg(runs);
      if (svg === '') return '';
      const name = names.get(svg) ?? `l${names.size}`;
      names.set(svg, name);
      return `<use href="#${name}" x="${EDGE}" y="${EDGE + 13 + row * LINE}"/>`;
    });
    const delay = (frame * seconds).toFixed(2);
    return `<g class="f" style="animation-delay:${delay}s">${uses.join('')}</g>`;
  });
  const whole = frames.length * seconds;
  const part = (100 / frames.length).toFixed(4);
  const styles = [
    `.f{visibility:hidden;animation:k ${whole}s step-end infinite}`,
    `@keyframes k{0%{visibility:visible}${part}%{visibility:hidden}100%{visibility:hidden}}`,
    '@media (prefers-reduced-motion:reduce){.f{animation:none}.f:last-child{visibility:visible}}',
    'text{white-space:pre}',
  ];
  const font = "ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace";
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${font}" font-size="14">`,
    `<style>${styles.join('')}</style>`,
    `<rect width="${width}" height="${height}" rx="8" fill="${GROUND}"/>`,
    `<defs>${[...names].map(([svg, name]) => `<g id="${name}">${svg}</g>`).join('\n')}</defs>`,
    ...groups,
    '</svg>\n',
  ].join('\n');
}

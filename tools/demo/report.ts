import { bar, type Line, span, UNICODE } from '../../src/cli/top/spans.js';
import { encode, plainText } from '../../src/cli/top/styles.js';
import { formatCount } from '../../src/util/units.js';
import { type ChartEvent, shareChart } from '../lib/share-chart.js';
import { sharesOf } from '../lib/shares.js';
import { formatPercent, markdownTable } from '../lib/table.js';
import { ACTS, type Act, PLAYERS } from './script.js';

/** What completed in a stretch of time. */
export interface Sample {
  /** Seconds of all stretches up to the end of this one. */
  readonly at: number;
  readonly seconds: number;
  readonly act: number;
  /** Requests of each player. */
  readonly requests: readonly number[];
  /** Requests of each player that wait. */
  readonly queued: readonly number[];
}

/** The limit of the third. */
const HELD_IOPS = 10;

const BAR = 40;
const NAME = 8;

/** The bars of a moment: what the two that fight have of each other, and what the third has of its limit. */
export function barLines(sample: Sample, act: Act): Line[] {
  const rates = sample.requests.map((count) => count / sample.seconds);
  const fight = sharesOf(rates.slice(0, 2)).map((share) => share / 100);
  const due = sharesOf(act.weights).map((share) => share / 100);
  return PLAYERS.map(({ name }, player) => {
    const rate = `${formatCount(Math.round(rates[player]))}/s`.padStart(8);
    const queued = `${sample.queued[player]} wait`.padStart(10);
    const head = span(name.padEnd(NAME), 'bold');
    if (player < 2) {
      const [got, asked] = [fight[player], due[player]].map((part) => Math.round(100 * part));
      const cells = bar(fight[player], BAR, UNICODE, due[player]);
      return [head, ...cells, span(`${rate}${queued}   ${got} % of ${asked} % asked`)];
    }
    const cells = bar(rates[player] / HELD_IOPS, BAR, UNICODE);
    return [head, ...cells, span(`${rate}${queued}   limit ${HELD_IOPS}/s`)];
  });
}

export const terminalText = (lines: readonly Line[]): string =>
  lines.map((line) => encode(line, (process.env.NO_COLOR ?? '') === '')).join('\n');

/** One line where there is no terminal. */
export function plainLine(sample: Sample, act: Act): string {
  const words = barLines(sample, act).map((line) =>
    plainText(line)
      .replace(/[█▏▎▍▌▋▊▉·│]+ */u, '')
      .replace(/\s+/g, ' '),
  );
  return `${sample.at.toFixed(0).padStart(3)} s  ${words.join('; ')}`;
}

/** After a change of weights the requests that are under way still are those of before. */
const SETTLING_S = 1;

interface Total {
  readonly seconds: number;
  readonly requests: number[];
}

function totalOf(samples: readonly Sample[], act: number): Total {
  const own = samples.filter((sample) => sample.act === act);
  const begin = own.length === 0 ? 0 : own[0].at - own[0].seconds;
  const steady = own.filter(({ at, seconds }) => at - seconds >= begin + SETTLING_S - 0.01);
  const seconds = steady.reduce((sum, one) => sum + one.seconds, 0);
  const requests = PLAYERS.map((_, player) =>
    steady.reduce((sum, one) => sum + one.requests[player], 0),
  );
  return { seconds, requests };
}

/** What was asked for and what was got, in each act. */
export function resultTable(samples: readonly Sample[]): string {
  const totals = ACTS.map((_, act) => totalOf(samples, act));
  const rows = ACTS.flatMap(({ says, weights }, act) => {
    const due = sharesOf(weights);
    const got = sharesOf(totals[act].requests.slice(0, 2));
    return PLAYERS.slice(0, 2).map(({ name }, player) => [
      player === 0 ? says : '',
      `share of ${name}`,
      `${due[player].toFixed(1)} %`,
      `${got[player].toFixed(1)} %`,
      `${formatPercent(got[player] - due[player])} points`.replace(' %', ''),
    ]);
  });
  const last = totals.at(-1)!;
  const before = totals.at(-2)!;
  const held = last.requests[2] / last.seconds;
  const rate = ({ requests, seconds }: Total): number => (requests[0] + requests[1]) / seconds;
  const kept = (100 * rate(last)) / rate(before);
  const more = [
    [
      '',
      'IOPS of held',
      String(HELD_IOPS),
      held.toFixed(1),
      formatPercent((held / HELD_IOPS - 1) * 100),
    ],
    [
      '',
      'IOPS of its neighbours',
      'as before',
      formatCount(Math.round(rate(last))),
      formatPercent(kept - 100),
    ],
  ];
  return markdownTable(['while', 'what', 'asked', 'got', 'difference'], [...rows, ...more]);
}

/** A picture (SVG) of the shares of the two that fight. */
export function demoChart(samples: readonly Sample[]): string {
  const events: ChartEvent[] = ACTS.flatMap(({ says }, act) => {
    const first = samples.find((sample) => sample.act === act);
    return first === undefined ? [] : [{ at: first.at - first.seconds, says }];
  });
  const series = samples.map(({ requests }) => requests.slice(0, 2));
  const names = PLAYERS.slice(0, 2).map(({ name }) => name);
  const every = samples.length === 0 ? 1 : samples.at(-1)!.at / samples.length;
  return shareChart(names, series, every, events);
}

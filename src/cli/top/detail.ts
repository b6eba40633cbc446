import { causeOf } from '../../control/cause.js';
import { formatWords } from '../../control/text.js';
import { type LimitUse, limitUses, meanOf, p99Of } from '../../control/usage.js';
import { NS_PER_US } from '../../control/values.js';
import { oneLine } from '../../util/one-line.js';
import { formatCount, formatSize, formatTime } from '../../util/units.js';
import { type Drawing, percent } from './columns.js';
import type { Row } from './rows.js';
import { type Line, type Span, span, sparkline, widthOf } from './spans.js';

const LABEL = 10;
/** A minute of seconds, and the room beside them for the highest. */
const SPARKS = 60;
const HIGHEST = 13;

const label = (text: string): Span => span(text.padEnd(LABEL), 'dim');

/** The lines about the chosen row, with figures for which the table has no room. */
export function detailLines(row: Row, cells: number, drawing: Drawing): Line[] {
  const { glyphs } = drawing;
  const group = oneLine(row.group.path || '/');
  const title = row.member === null ? group : `${oneLine(row.member)}, member of ${group}`;
  const rule = glyphs.rule.repeat(Math.max(0, cells - widthOf(title) - 4));
  return [
    [span(`${glyphs.rule} `, 'dim'), span(title, 'bold'), span(` ${rule}`, 'dim')],
    limitLine(row),
    weightLine(row, drawing),
    timeLine(row),
    [label('waits for'), span(causeText(row, drawing))],
    pressureLine(row),
    minuteLine(row, cells, drawing),
  ];
}

function amount({ key }: LimitUse, rate: number): string {
  return key.endsWith('iops') ? formatCount(rate) : formatSize(rate);
}

/** The seconds for which a group can keep up its burst; '' from a daemon that does not send them. */
function left({ burstsLeft }: Row['group'], { key }: LimitUse): string {
  const seconds = burstsLeft?.[key];
  return seconds === undefined ? '' : `${seconds.toFixed(1)} of `;
}

function limitLine({ group }: Row): Line {
  const uses = limitUses(group).map((use) => {
    const { key, rate, limit } = use;
    const burst = group.settings.bursts[key];
    const faster =
      burst === null
        ? ''
        : `, burst ${amount(use, burst.rate)} for ${left(group, use)}${burst.seconds} s`;
    return `${key} ${amount(use, rate)} of ${amount(use, limit)}${sharedBy(group, use)}${faster}`;
  });
  return [label('limits'), span(uses.length === 0 ? 'none' : uses.join('; '))];
}

/** Of a limit that hosts share, the use tells what this host has of it. */
function sharedBy({ shared, settings }: Row['group'], use: LimitUse): string {
  if (shared === undefined) return '';
  const { state, fault, peers } = shared;
  const hosts = peers === 0 ? 'all hosts' : `all ${peers} hosts`;
  const why = fault === 'none' ? '' : `, store ${fault}`;
  return ` (${state}${why}; ${hosts} ${amount(use, settings.limits[use.key])})`;
}

function weightLine({ group }: Row, { sight }: Drawing): Line {
  const { weight, minimum, latencyTarget } = group.settings;
  const share = sight.shares.get(group.path);
  const parts = [group.path === '' ? '-' : String(weight)];
  if (share !== undefined) {
    parts.push(`${percent(share.asked)}% among its busy siblings, got ${percent(share.got)}%`);
  }
  const least = formatWords({ minimum });
  if (least.length > 0) parts.push(least.join(' '));
  if (latencyTarget !== Infinity) {
    parts.push(`latency target ${formatTime(latencyTarget / NS_PER_US)}`);
  }
  return [label('weight'), span(parts.join('; '))];
}

function timeLine({ times }: Row): Line {
  if (meanOf(times, 'wait') === null)
    return [label('times'), span('no requests in the last second')];
  const stage = (key: 'wait' | 'service'): string =>
    `${key} ${formatTime(meanOf(times, key) ?? 0)}, p99 ${formatTime(p99Of(times, key) ?? 0)}`;
  return [label('times'), span(`${stage('wait')}; ${stage('service')}`)];
}

function causeText({ group, figures, times }: Row, { sight }: Drawing): string {
  return causeOf(group, figures.queued, meanOf(times, 'wait'), sight.groups, sight.shares);
}

function pressureLine({ group }: Row): Line {
  const averages = (['some', 'full'] as const).map((word) => {
    const { avg10, avg60, avg300 } = group.pressure[word];
    return `${word} ${[avg10, avg60, avg300].map((one) => `${one.toFixed(1)}%`).join(' ')}`;
  });
  return [label('pressure'), span(`${averages.join('; ')} (10 s, 60 s, 5 min)`)];
}

function minuteLine({ key }: Row, cells: number, { sight, glyphs }: Drawing): Line {
  const values = sight.minute.get(key) ?? [];
  const most = Math.max(...values, 0);
  const width = Math.max(0, Math.min(SPARKS, cells - LABEL - HIGHEST));
  const about = most === 0 ? '' : `  max ${formatCount(most)}/s`;
  return [
    label('minute'),
    span(sparkline(values, width, most, glyphs), 'good'),
    span(about, 'dim'),
  ];
}

import type { GroupTimes } from '../control/figures.js';
import { escapeName, unescapeName } from '../control/names.js';
import { readPairs } from '../control/text.js';
import { DIRECTIONS, type Times } from '../throttle/figure-rows.js';
import { SPANS, type Span, type SpanTimes, type StageTimes } from '../throttle/latency-reader.js';

// `io.times`: its text, and how `sluice stat` reads it back.

const STAGES = ['wait', 'service'] as const;
const STAGE_TIMES: readonly (keyof StageTimes)[] = ['mean', 'p50', 'p90', 'p99', 'p999', 'max'];

/** The keys of a line of `io.times`; the manual describes them. */
export const TIME_WORDS: readonly string[] = [
  ...['op', 'span', 'requests', 'bytes'],
  ...STAGES.flatMap((stage) => STAGE_TIMES.map((time) => `${stage}_${time}`)),
];

/**
 * The lines of `io.times`: for each member of the group, and for the group's total, one for each
 * direction that had requests and each span.
 */
export function formatTimes({ members, total }: GroupTimes): string[] {
  const lines = members.flatMap(({ name, times }) => formatLines(escapeName(name), times));
  return [...lines, ...formatLines('total', total)];
}

function formatLines(name: string, times: Times): string[] {
  return DIRECTIONS.flatMap((direction) => {
    const spans = times[direction];
    if (spans === undefined) return [];
    return SPANS.map((span) => {
      return `${name} op=${direction} span=${span} ${formatSpan(spans[span])}`;
    });
  });
}

function formatSpan(span: SpanTimes): string {
  const words = STAGES.flatMap((stage) =>
    STAGE_TIMES.map((time) => `${stage}_${time}=${Math.round(span[stage][time])}`),
  );
  return [`requests=${span.requests}`, `bytes=${span.bytes}`, ...words].join(' ');
}

/** Lines of a later version that are about something else are left out, missing numbers are 0. */
export function parseTimes(text: string): GroupTimes {
  const found = new Map<string, Times>();
  for (const line of text.split('\n')) {
    const [name = ''] = line.split(' ');
    const pairs = readPairs(line);
    const direction = DIRECTIONS.find((one) => one === pairs.get('op'));
    const span = SPANS.find((one) => one === pairs.get('span'));
    if (direction === undefined || span === undefined) continue;
    const times = found.get(name) ?? {};
    found.set(name, times);
    const spans: Partial<Record<Span, SpanTimes>> = times[direction] ?? {};
    times[direction] = { ...spans, [span]: parseSpan(pairs) } as Record<Span, SpanTimes>;
  }
  const total = found.get('total') ?? {};
  found.delete('total');
  const members = [...found].map(([name, times]) => ({ name: unescapeName(name), times }));
  return { members, total };
}

function parseSpan(pairs: ReadonlyMap<string, string>): SpanTimes {
  const number = (key: string): number => Number(pairs.get(key) ?? 0);
  const [wait, service] = STAGES.map((stage) => {
    const times = STAGE_TIMES.map((time) => [time, number(`${stage}_${time}`)]);
    return Object.fromEntries(times) as StageTimes;
  });
  return { requests: number('requests'), bytes: number('bytes'), wait: wait!, service: service! };
}

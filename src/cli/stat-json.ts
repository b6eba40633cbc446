import { unescapeName } from '../tree/names.js';
import type { Figures, GroupStat, PressureLine } from './io-stat.js';

/** `iops_size` -> `iopsSize`: JSON has one case for all keys. */
function camelCase(key: string): string {
  return key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function mapValues<In, Out>(
  record: Readonly<Record<string, In>>,
  map: (value: In) => Out,
): Record<string, Out> {
  const entries = Object.entries(record).map(([key, value]) => [camelCase(key), map(value)]);
  return Object.fromEntries(entries) as Record<string, Out>;
}

const numberOrNull = (text: string): number | null => (text === 'max' ? null : Number(text));

function burstOf(text: string): { rate: number; seconds: number } | null {
  if (text === 'max') return null;
  const [rate, seconds] = text.split('/').map(Number) as [number, number];
  return { rate, seconds };
}

function depthOf(text: string): { mode: 'auto' | number; window: number } {
  const [mode, window] = text.split(' ') as [string, string?];
  return mode === 'auto'
    ? { mode, window: Number(window) }
    : { mode: Number(mode), window: Number(mode) };
}

const figuresOf = (figures: Figures): Record<string, number> => mapValues(figures, Number);

function pressureOf({ total, ...averages }: PressureLine): Record<string, number> {
  return { ...averages, totalUsec: total };
}

/** A group as JSON shows it; the manual describes it. */
export function groupJson(group: GroupStat): object {
  const { path, limits, bursts, weight, minimum, latency, pressure, depth, cost } = group;
  return {
    path: path === '' ? '/' : path,
    limits: mapValues(limits, numberOrNull),
    bursts: mapValues(bursts, burstOf),
    weight,
    minimum: mapValues(minimum, Number),
    latencyUsec: latency,
    pressure: { some: pressureOf(pressure.some), full: pressureOf(pressure.full) },
    ...(depth === undefined ? {} : { depth: depthOf(depth) }),
    ...(cost === undefined ? {} : { cost }),
    members: group.members.map(({ name, figures }) => ({ name, figures: figuresOf(figures) })),
    total: figuresOf(group.total),
  };
}

/** The lines of `.groups/images`. */
export function imagesJson(text: string): object[] {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const [name = '', ...words] = line.split(' ');
    const fields = new Map(words.map((word) => word.split('=') as [string, string]));
    return {
      name: unescapeName(name),
      path: unescapeName(fields.get('path') ?? ''),
      format: fields.get('format') ?? '',
      size: Number(fields.get('size') ?? 0),
      readOnly: fields.get('read_only') === '1',
    };
  });
}

/** The lines of `.groups/daemon`. */
export function daemonJson(pid: number, fields: Readonly<Record<string, string>>): object {
  const { version = '', transport = '' } = fields;
  return { pid, version, transport };
}

import type { Bursts } from '../throttle/bursts.js';
import type { CostModel } from '../throttle/cost.js';
import { type Limits, RATES } from '../throttle/limits.js';
import { DEFAULT_WEIGHT, type Minimum } from '../throttle/shares.js';
import { formatMembers, type MemberChange, parseMembers } from './members.js';
import type { PerGbs } from './sized-limits.js';
import {
  burst,
  COST,
  DEPTH,
  LATENCY,
  limit,
  minimum,
  perGb,
  unitOf,
  type ValueType,
  WEIGHT,
} from './values.js';

/** The settings of a group. */
export interface GroupSettings {
  limits: Limits;
  perGb: PerGbs;
  bursts: Bursts;
  weight: number;
  minimum: Minimum;
  /** In ns; Infinity: no target. */
  latencyTarget: number;
}

/** The settings of the whole mount: those of the root group that no other group has. */
export interface MountSettings {
  depth: 'auto' | number;
  cost: CostModel;
}

/** Changes to a group. Settings that are not named stay. */
export interface Changes extends Partial<MountSettings> {
  limits?: Partial<Limits>;
  perGb?: Partial<PerGbs>;
  bursts?: Partial<Bursts>;
  weight?: number;
  minimum?: Partial<Minimum>;
  latencyTarget?: number;
  members?: MemberChange[];
}

/** One setting: its place, its names and its type. */
export interface Setting {
  /** Its word in `sluice set` and `--group`. */
  readonly key: string;
  /** The control file that shows it, and its word there; '' where the value stands alone. */
  readonly file: string;
  readonly word: string;
  /** Its place in Changes; `field` is '' where the part is the value. */
  readonly part: keyof Changes;
  readonly field: string;
  /** The value of a new group. */
  readonly initial: unknown;
  readonly type: ValueType<unknown>;
  /** Only the root group has it. */
  readonly rootOnly: boolean;
}

const MEMBERS: ValueType<MemberChange[]> = {
  range: null,
  parse: parseMembers,
  format: formatMembers,
};

/**
 * @param shown The file, and the word in it if the file is written KEY=VALUE.
 * @param place The part of Changes, and the field in it if it has fields.
 */
function setting<T>(
  key: string,
  shown: string,
  place: string,
  initial: T,
  type: ValueType<T>,
  rootOnly = false,
): Setting {
  const [file = '', word = ''] = shown.split(' ');
  const [part, field = ''] = place.split('.') as [keyof Changes, string?];
  return { key, file, word, part, field, initial, type: type as Setting['type'], rootOnly };
}

/**
 * All settings, those of one file in the order of its text. A burst comes after the limit that it
 * needs, because `sluice set` writes one file after the other.
 */
export const SETTINGS: readonly Setting[] = [
  ...RATES.map((rate) =>
    setting(rate, `io.max ${rate}`, `limits.${rate}`, Infinity, limit(unitOf(rate), Infinity)),
  ),
  setting('iops_size', 'io.max iops_size', 'limits.iopsSize', 0, limit('bytes', 0)),
  ...RATES.map((rate) =>
    setting(`per_gb.${rate}`, `io.per_gb ${rate}`, `perGb.${rate}`, null, perGb(unitOf(rate))),
  ),
  ...RATES.map((rate) =>
    setting(`burst.${rate}`, `io.burst ${rate}`, `bursts.${rate}`, null, burst(unitOf(rate))),
  ),
  setting('weight', 'io.weight', 'weight', DEFAULT_WEIGHT, WEIGHT),
  setting('min.bps', 'io.min bps', 'minimum.bps', 0, minimum('bytes per second')),
  setting('min.iops', 'io.min iops', 'minimum.iops', 0, minimum('requests per second')),
  setting('latency', 'io.latency target', 'latencyTarget', Infinity, LATENCY),
  setting('member', 'members', 'members', [], MEMBERS),
  setting('depth', 'io.depth', 'depth', 'auto', DEPTH, true),
  setting('cost', 'io.cost', 'cost', 'linear', COST, true),
];

/** The settings of a new group. */
export function newSettings(): GroupSettings {
  const settings: Changes = {};
  for (const one of SETTINGS) {
    if (!one.rootOnly && one.part !== 'members') putValue(settings, one, one.initial);
  }
  return settings as GroupSettings;
}

/** The value of a setting in changes or settings; undefined if it is not there. */
export function getValue(from: Changes, { part, field }: Setting): unknown {
  const value = from[part];
  return field === '' ? value : (value as Record<string, unknown> | undefined)?.[field];
}

/** Both changes; of a setting that is in both, the value of `over`. */
export function mergeChanges(base: Changes, over: Changes): Changes {
  const merged = structuredClone(base);
  for (const setting of SETTINGS) {
    const value = getValue(over, setting);
    if (value !== undefined) putValue(merged, setting, value);
  }
  return merged;
}

export function putValue(into: Changes, { part, field }: Setting, value: unknown): void {
  const parts = into as Record<string, unknown>;
  parts[part] = field === '' ? value : { ...(parts[part] as object), [field]: value };
}

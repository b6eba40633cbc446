import type { Control } from '../control/control.js';
import { formatBursts, parseBursts } from '../control/parse-bursts.js';
import { parseMembers } from '../control/parse-members.js';
import {
  parseCost,
  parseDepth,
  parseLatency,
  parseMinimum,
  parseWeight,
} from '../control/parse-shares.js';
import { formatLimits, parseLimits } from '../throttle/parse-limits.js';
import type { Pressure } from '../throttle/pressure.js';
import type { Group, Throttle } from '../throttle/throttle.js';
import { formatStats } from './io-stat.js';

/** Makes a parsed change. Throws SluiceError, and then nothing has changed. */
type Apply = (control: Control, group: Group) => void;

/** One file that every group, or only the root group, has. */
export interface ControlFileRow {
  readonly name: string;
  readonly rootOnly: boolean;
  /** The content without the last newline; '' for an empty file. */
  readonly read: (control: Control, group: Group) => string;
  /**
   * Parses a text and returns what makes the change, so that a text can be checked where there is no
   * mount. Throws SluiceError EINVAL, ERANGE. Null for a file that can only be read.
   */
  readonly prepare: ((text: string) => Apply) | null;
}

/** The files of `.groups`, in the order in which they are listed. */
export const CONTROL_FILES: readonly ControlFileRow[] = [
  {
    name: 'io.max',
    rootOnly: false,
    read: (_, group) => formatLimits(group.limits),
    prepare: (text) => {
      const limits = parseLimits(text);
      return ({ throttle, now }, group) => throttle.setLimits(group, limits, now());
    },
  },
  {
    name: 'io.burst',
    rootOnly: false,
    read: (_, group) => formatBursts(group.bursts),
    prepare: (text) => {
      const bursts = parseBursts(text);
      return ({ throttle, now }, group) => throttle.setBursts(group, bursts, now());
    },
  },
  {
    name: 'io.weight',
    rootOnly: false,
    read: (_, group) => `default ${group.weight}`,
    prepare: (text) => {
      const weight = parseWeight(text);
      return ({ throttle }, group) => throttle.setWeight(group, weight);
    },
  },
  {
    name: 'io.min',
    rootOnly: false,
    read: (_, group) => `bps=${group.minimum.bps} iops=${group.minimum.iops}`,
    prepare: (text) => {
      const minimum = parseMinimum(text);
      return ({ throttle, now }, group) => throttle.setMinimum(group, minimum, now());
    },
  },
  {
    name: 'io.latency',
    rootOnly: false,
    read: (_, { latencyTarget }) =>
      `target=${latencyTarget === Infinity ? 'max' : latencyTarget / 1000}`,
    prepare: (text) => {
      const target = parseLatency(text);
      return ({ throttle, now }, group) => throttle.setLatencyTarget(group, target, now());
    },
  },
  { name: 'io.stat', rootOnly: false, read: formatStats, prepare: null },
  {
    name: 'io.pressure',
    rootOnly: false,
    read: ({ throttle, now }, group) => formatPressure(throttle.pressure(group, now())),
    prepare: null,
  },
  {
    name: 'members',
    rootOnly: false,
    read: (control, group) => memberNames(control, group).join('\n'),
    prepare: (text) => {
      const changes = parseMembers(text);
      return (control, group) => control.changeMembers(group, changes);
    },
  },
  {
    name: 'io.depth',
    rootOnly: true,
    read: ({ throttle }) => formatDepth(throttle),
    prepare: (text) => {
      const depth = parseDepth(text);
      return ({ throttle, now }) => throttle.setDepth(depth, now());
    },
  },
  {
    name: 'io.cost',
    rootOnly: true,
    read: ({ throttle }) => throttle.costModel,
    prepare: (text) => {
      const model = parseCost(text);
      return ({ throttle }) => throttle.setCostModel(model);
    },
  },
];

function memberNames(control: Control, group: Group): string[] {
  return control.members(group).map((member) => control.throttle.memberName(member));
}

function formatDepth(throttle: Throttle): string {
  return throttle.depthMode === 'auto' ? `auto ${throttle.depth}` : `${throttle.depthMode}`;
}

/** The two lines of /proc/pressure/io: percent of time, and microseconds. */
function formatPressure(pressure: Pressure): string {
  const lines = (['some', 'full'] as const).map((word) => {
    const { avg10, avg60, avg300, totalUs } = pressure[word];
    const averages = `avg10=${avg10.toFixed(2)} avg60=${avg60.toFixed(2)} avg300=${avg300.toFixed(2)}`;
    return `${word} ${averages} total=${Math.floor(totalUs)}`;
  });
  return lines.join('\n');
}

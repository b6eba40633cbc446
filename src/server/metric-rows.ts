import type { GroupObservation } from '../control/figures.js';
import type { SharedFigures } from '../lease/figures.js';
import type { Rates } from '../lease/rates.js';
import { RATES } from '../throttle/limits.js';
import type { Caller } from './caller-names.js';

/** An image as metrics show it. */
export interface ImageFacts {
  name: string;
  path: string;
  format: string;
  readOnly: boolean;
  passthrough: boolean;
  /** Words of the faults that the user wants; null: none. */
  faults: string | null;
}

/** All that a scrape shows. */
export interface Observation {
  version: string;
  transport: string;
  /** Seconds since 1970. */
  startTime: number;
  images: readonly ImageFacts[];
  groups: readonly GroupObservation[];
  /** Looks into /proc. */
  callers: () => readonly Caller[];
}

export type Labels = Readonly<Record<string, string>>;
/** One series of a metric: its labels and its value. */
export type Sample = readonly [labels: Labels, value: number];

export interface Row {
  readonly kind: 'counter' | 'gauge';
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly samples: (all: Observation) => Iterable<Sample>;
}

export const groupName = (group: GroupObservation): string => group.path || '/';

/** A metric of each group. */
export function ofGroups(
  kind: Row['kind'],
  name: string,
  help: string,
  value: (group: GroupObservation) => number,
): Row {
  const samples = ({ groups }: Observation): Sample[] =>
    groups.map((group) => [{ group: groupName(group) }, value(group)]);
  return { kind, name: `sluice_group_${name}`, help, labels: ['group'], samples };
}

/** A metric of each group that has one or more values of a kind, told by the label `op`. */
export function ofGroupOps(
  kind: Row['kind'],
  name: string,
  help: string,
  values: (group: GroupObservation) => Readonly<Record<string, number>>,
): Row {
  const samples = ({ groups }: Observation): Sample[] =>
    groups.flatMap((group) =>
      Object.entries(values(group))
        .filter(([, value]) => Number.isFinite(value))
        .map(([op, value]): Sample => [{ group: groupName(group), op }, value]),
    );
  return { kind, name: `sluice_group_${name}`, help, labels: ['group', 'op'], samples };
}

/** What a metric of a shared group shows: one value, or one for each rate; null or below 0: none. */
type SharedValue =
  | { one: (shared: SharedFigures) => number | null }
  | { each: (shared: SharedFigures) => Rates };

/** A metric of each group whose limits hosts share. */
export function ofShared(name: string, help: string, value: SharedValue): Row {
  const values = (shared: SharedFigures): readonly (readonly [Labels, number | null])[] =>
    'one' in value
      ? [[{}, value.one(shared)]]
      : value.each(shared).map((rate, place) => [{ rate: RATES[place]! }, rate]);
  const samples = ({ groups }: Observation): Sample[] =>
    groups.flatMap((group) =>
      group.shared === null
        ? []
        : values(group.shared).flatMap(([labels, one]): Sample[] =>
            one === null || one < 0 ? [] : [[{ group: groupName(group), ...labels }, one]],
          ),
    );
  const labels = 'each' in value ? ['group', 'rate'] : ['group'];
  return { kind: 'gauge', name: `sluice_group_${name}`, help, labels, samples };
}

/** A metric of each member. */
export function ofMembers(
  name: string,
  help: string,
  value: (figures: GroupObservation['total']) => number,
): Row {
  const samples = ({ groups }: Observation): Sample[] =>
    groups.flatMap((group) =>
      group.members.map(({ name: member, figures }): Sample => {
        return [{ group: groupName(group), member }, value(figures)];
      }),
    );
  const labels = ['group', 'member'];
  return { kind: 'gauge', name: `sluice_member_${name}`, help, labels, samples };
}

export function ofProcess(kind: Row['kind'], name: string, help: string, value: () => number): Row {
  return { kind, name: `process_${name}`, help, labels: [], samples: () => [[{}, value()]] };
}

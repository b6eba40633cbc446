import { type FigureView, RowSums, type Stats, type Times } from '../throttle/figure-rows.js';
import type { LatencyReader, Span } from '../throttle/latency-reader.js';
import type { FigureNode } from '../throttle/stats.js';

export interface Sums {
  readonly figures: Stats;
  readonly times: Times;
}

/** The figures and times of a group and all below it, and of each of its members by number. */
export interface GroupSums extends Sums {
  readonly members: ReadonlyMap<number, Sums>;
}

/**
 * The sums of groups, added up from the leaves to the root: each number is read once, however many groups stand
 * above it.
 */
class Summing {
  readonly found = new Map<FigureNode, GroupSums>();
  readonly #view: FigureView;
  readonly #reader: LatencyReader;
  readonly #second: number;
  readonly #spans: readonly Span[];
  readonly #member: RowSums;
  /** By depth: those of a group are needed until they are added to the group above it. */
  readonly #groups: RowSums[] = [];

  constructor(view: FigureView, reader: LatencyReader, second: number, spans: readonly Span[]) {
    this.#view = view;
    this.#reader = reader;
    this.#second = second;
    this.#spans = spans;
    this.#member = new RowSums(spans);
  }

  visit(group: FigureNode, depth: number): RowSums {
    this.#groups[depth] ??= new RowSums(this.#spans);
    const sums = this.#groups[depth];
    sums.clear();
    sums.addRow(this.#view.groups, group.id, this.#reader, this.#second);
    const members = new Map<number, Sums>();
    for (const member of group.members) members.set(member, this.#sumsOf(member, sums));
    for (const child of group.children.values()) sums.add(this.visit(child, depth + 1));
    this.found.set(group, { members, figures: sums.figures, times: sums.times });
    return sums;
  }

  #sumsOf(member: number, ofGroup: RowSums): Sums {
    const sums = this.#member;
    sums.clear();
    sums.addRow(this.#view.members, member, this.#reader, this.#second);
    ofGroup.add(sums);
    return { figures: sums.figures, times: sums.times };
  }
}

/**
 * The sums of a group and of all below it.
 *
 * @param second The throttle's time.
 * @param spans Those of the times; others are missing.
 */
export function sumGroups(
  group: FigureNode,
  view: FigureView,
  reader: LatencyReader,
  second: number,
  spans: readonly Span[],
): ReadonlyMap<FigureNode, GroupSums> {
  const summing = new Summing(view, reader, second, spans);
  summing.visit(group, 0);
  return summing.found;
}

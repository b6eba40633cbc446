import {
  getSharedFigures,
  type SharedFigureMemory,
  type SharedFigures,
  sharedJson,
} from '../lease/figures.js';
import { type CallerFigures, type CallerRows, callersOf } from '../throttle/callers.js';
import {
  copyRows,
  type Direction,
  type FigureRows,
  type FigureView,
  type Stats,
  type Times,
} from '../throttle/figure-rows.js';
import { pageViews, secondOf } from '../throttle/latency-memory.js';
import { LatencyReader, SPANS, type SpanSum } from '../throttle/latency-reader.js';
import { burstSecondsLeft, type Levels } from '../throttle/leaky-buckets.js';
import { RATES } from '../throttle/limits.js';
import { rowOfGroup } from '../throttle/node-table.js';
import {
  type Pressure,
  type PressureRows,
  pressureOf,
  stallSeconds,
} from '../throttle/pressure.js';
import {
  type FigureNews,
  groupFigures,
  memberFigures,
  memberSums,
  NAMELESS,
} from '../throttle/stats.js';
import { assert } from '../util/assert.js';
import { type GroupSums, type Sums, sumGroups } from './group-sums.js';
import {
  type BurstsLeft,
  type BusyGroup,
  isMoving,
  isQuiet,
  namedOf,
  secondTimes,
} from './live.js';
import { type GroupSettings, newSettings } from './settings.js';
import { limitsInForce, type Sized } from './sized-limits.js';

/** The news for a reader of figures, in order. */
export type News =
  | FigureNews
  /** The memory of callers. */
  | { kind: 'callers'; rows: CallerRows }
  | ControlNews
  /** When the throttle's clock was 0, in ms since 1970. */
  | { kind: 'clock'; originMs: number };

/** What the control of groups tells. */
export type ControlNews =
  /** A group has other settings than before. */
  | { kind: 'settings'; group: number; settings: GroupSettings; sized?: Sized | null }
  /** Hosts share the limits of a group from now on. Whoever speaks to the store writes into the memory. */
  | { kind: 'shared'; group: number; figures: SharedFigureMemory };

/** Of groups that nobody has set. */
const UNSET = newSettings();

/** News after which `FigureReader.named` is another one. */
const RENAMING: ReadonlySet<News['kind']> = new Set([
  ...(['settings', 'group', 'group-gone', 'member', 'member-gone'] as const),
]);

/** A group as readers of figures know it. */
interface Node {
  readonly id: number;
  readonly name: string;
  readonly path: string;
  readonly parent: Node | null;
  readonly members: Set<number>;
  readonly children: Map<string, Node>;
  /** Null: those of a new group. */
  settings: GroupSettings | null;
  /** Null: none of its limits grows with its images. */
  sized: Sized | null;
  /** Where the figures of its shared limits are; null: hosts do not share them. */
  shared: SharedFigureMemory | null;
}

/** A group for whoever looks at it again and again. */
export interface Found {
  settings: GroupSettings;
  total: Stats;
  shared: SharedFigureMemory | null;
}

/** All about a group that a program which watches it may want; counts since the mount. */
export interface GroupObservation extends GroupFigures {
  settings: GroupSettings;
  /** Null: none of its limits grows with its images. */
  sized: Sized | null;
  /** Seconds in which some, and in which all outstanding requests waited. */
  stalled: { some: number; full: number };
  /** Null: hosts do not share its limits. */
  shared: SharedFigures | null;
  /** What requests of the members have taken in this group, in the order of `members`. */
  sums: Partial<Record<Direction, SpanSum>>[];
}

/** The figures of one group, plain data. */
export interface GroupFigures {
  /** Below the root group, '' for it. */
  path: string;
  members: { name: string; figures: Stats }[];
  /** Of the group and all below it. */
  total: Stats;
}

/** Times of the requests of one group, plain data. */
export interface GroupTimes {
  members: { name: string; times: Times }[];
  /** Of the group and all below it. */
  total: Times;
}

/** A group as it is at one moment. */
export interface GroupState extends GroupFigures {
  settings: GroupSettings;
  pressure: Pressure;
  times: GroupTimes;
  /** Of a group whose limits hosts share. */
  shared?: SharedFigures;
  /** Of a group with limits that grow with its images. */
  sized?: Sized;
  /** Of a group with bursts. */
  burstsLeft?: BurstsLeft;
}

/**
 * Figures of all groups for a thread that has no throttle: it is told of groups and members, and
 * reads the numbers where the data path counts. The data plane need not answer for that, nor even be
 * alive.
 */
export class FigureReader {
  #rows: FigureRows | null = null;
  #pressures: PressureRows | null = null;
  #levels: Levels | null = null;
  #callers: CallerRows | null = null;
  #originMs = performance.timeOrigin;
  #edition = 0;
  readonly #latencies = new LatencyReader();
  readonly #root = newNode(0, '', null);
  readonly #groups = new Map([[0, this.#root]]);
  readonly #members = new Map<number, { name: string; group: Node }>();

  /** Takes in the news of `Counters`, in order. */
  take(news: News): void {
    if (RENAMING.has(news.kind)) this.#edition++;
    if (news.kind === 'rows') this.#rows = news;
    else if (news.kind === 'latencies') this.#latencies.take(pageViews(news.page));
    else if (news.kind === 'pressures') this.#pressures = news.rows;
    else if (news.kind === 'levels') this.#levels = news.levels;
    else if (news.kind === 'callers') this.#callers = news.rows;
    else if (news.kind === 'clock') this.#originMs = news.originMs;
    else if (news.kind === 'settings') this.#set(news);
    else if (news.kind === 'shared') this.#group(news.group).shared = news.figures;
    else if (news.kind === 'group') this.#addGroup(news.id, news.name, news.parent);
    else if (news.kind === 'group-gone') this.#removeGroup(news.id);
    else {
      this.#removeMember(news.id);
      if (news.kind === 'member') this.#addMember(news.id, news.name, news.group);
    }
  }

  #set({ group, settings, sized = null }: Extract<News, { kind: 'settings' }>): void {
    Object.assign(this.#group(group), { settings, sized });
  }

  /** The groups with their figures of now, each before those below it. */
  *groups(): Generator<GroupFigures> {
    if (this.#rows === null) return;
    const rows = copyRows(this.#rows);
    for (const node of this.#nodes(this.#root)) yield this.#figures(node, rows);
  }

  /** All groups as they are set, each before those below it. Settings that are the same object have not changed. */
  *settings(): Generator<
    Pick<GroupObservation, 'path' | 'settings'> & { members: { name: string }[] }
  > {
    for (const { path, settings, members } of this.#nodes(this.#root)) {
      yield { path, settings: settings ?? UNSET, members: this.#named(members) };
    }
  }

  /** As `groups`, with all else that is known of each. */
  *observations(): Generator<GroupObservation> {
    const pressures = this.#pressures;
    if (this.#rows === null || pressures === null) return;
    const rows = copyRows(this.#rows);
    const nowNs = this.#nowNs();
    for (const node of this.#nodes(this.#root)) {
      yield {
        ...this.#figures(node, rows),
        settings: node.settings ?? newSettings(),
        sized: node.sized,
        stalled: stallSeconds(pressures, rowOfGroup(node.id), nowNs),
        shared: node.shared && getSharedFigures(node.shared),
        sums: this.#named(node.members).map(({ id }) => {
          return memberSums(id, rows.members, this.#latencies);
        }),
      };
    }
  }

  /** The paths of all groups, each before those below it. */
  get paths(): string[] {
    return [...this.#nodes(this.#root)].map(({ path }) => path);
  }

  /**
   * Groups as `stat` shows them, each before those below it.
   * @param asked Path of the only one; null: all
   */
  states(asked: string | null): GroupState[] {
    const [rows, pressures] = [this.#rows, this.#pressures];
    const from = asked === null ? this.#root : this.#node(asked);
    if (rows === null || pressures === null || from === undefined) return [];
    const nowNs = this.#nowNs();
    const sums = sumGroups(from, copyRows(rows), this.#latencies, secondOf(nowNs), SPANS);
    const nodes = asked === null ? this.#nodes(from) : [from];
    return [...nodes].map((node) => this.#state(node, sums.get(node)!, pressures, nowNs));
  }

  #state(
    node: Node,
    { members, figures: total, times }: GroupSums,
    pressures: PressureRows,
    nowNs: number,
  ): GroupState {
    const named = this.#named(members.keys()).map(({ id, name }) => {
      return { name, ...members.get(id)! };
    });
    return {
      path: node.path,
      members: named.map(({ name, figures }) => ({ name, figures })),
      total,
      settings: node.settings ?? newSettings(),
      pressure: pressureOf(pressures, rowOfGroup(node.id), nowNs),
      times: { members: named.map(({ name, times: own }) => ({ name, times: own })), total: times },
      ...(node.shared === null ? {} : { shared: getSharedFigures(node.shared) }),
      ...(node.sized === null ? {} : { sized: node.sized }),
      ...this.#burstsLeft(node, nowNs),
    };
  }

  #burstsLeft({ id, settings, sized }: Node, nowNs: number): Pick<GroupState, 'burstsLeft'> {
    const levels = this.#levels;
    if (levels === null || settings === null) return {};
    const limits = limitsInForce(settings.limits, sized);
    const burstsLeft: BurstsLeft = {};
    for (const key of RATES) {
      const burst = settings.bursts[key];
      if (burst === null) continue;
      burstsLeft[key] = burstSecondsLeft(levels, id, key, limits[key], burst, nowNs);
    }
    return Object.keys(burstsLeft).length === 0 ? {} : { burstsLeft };
  }

  /** Another number after each change of names, settings or members. */
  get edition(): number {
    return this.#edition;
  }

  /** All groups as `LiveGroups` wants to have them once, each before those below it. */
  named(): ReturnType<typeof namedOf>[] {
    return [...this.#nodes(this.#root)].map(({ path, settings, sized, members }) => {
      const names = this.#named(members).map(({ name }) => name);
      return namedOf(path, settings ?? newSettings(), names, sized);
    });
  }

  /** The groups that have anything to show of the last second, and those that may have it without requests. */
  busy(): BusyGroup[] {
    const [rows, pressures] = [this.#rows, this.#pressures];
    if (rows === null || pressures === null) return [];
    const nowNs = this.#nowNs();
    const view = copyRows(rows);
    const sums = sumGroups(this.#root, view, this.#latencies, secondOf(nowNs), ['second']);
    const moving = ({ figures: { queued, inflight }, times }: Sums) => {
      return { figures: { queued, inflight }, times: secondTimes(times) };
    };
    const busy: BusyGroup[] = [];
    for (const node of this.#nodes(this.#root)) {
      const { members, ...own } = sums.get(node)!;
      const group = {
        ...{ path: node.path || '/', ...moving(own) },
        pressure: pressureOf(pressures, rowOfGroup(node.id), nowNs),
        ...this.#burstsLeft(node, nowNs),
        ...(node.shared === null ? {} : { shared: sharedJson(getSharedFigures(node.shared)) }),
      };
      const isIdle = !isMoving(group) && isQuiet(group.pressure);
      if (isIdle && group.burstsLeft === undefined && group.shared === undefined) continue;
      const named = this.#named(members.keys()).map(({ id, name }) => {
        return { name, ...moving(members.get(id)!) };
      });
      busy.push({ ...group, members: named.filter(isMoving) });
    }
    return busy;
  }

  /** The callers that are followed, who does most of late first. */
  callers(): CallerFigures[] {
    return this.#callers === null ? [] : callersOf(this.#callers, this.#nowNs());
  }

  /** The throttle's time. */
  #nowNs(): number {
    return (performance.timeOrigin + performance.now() - this.#originMs) * 1e6;
  }

  /** One group, with the figures of it and all below it; null: nobody has told of it. */
  find(path: string): Found | null {
    const node = this.#node(path);
    const rows = this.#rows;
    if (node === undefined || rows === null) return null;
    const total = groupFigures(node, rows);
    return { settings: node.settings ?? newSettings(), total, shared: node.shared };
  }

  #node(path: string): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const name of path === '' ? [] : path.split('/')) node = node?.children.get(name);
    return node;
  }

  *#nodes(group: Node): Generator<Node> {
    yield group;
    for (const child of group.children.values()) yield* this.#nodes(child);
  }

  #figures(group: Node, rows: FigureView): GroupFigures {
    const members = this.#named(group.members).map(({ id, name }) => ({
      name,
      figures: memberFigures(id, rows.members),
    }));
    return { path: group.path, members, total: groupFigures(group, rows) };
  }

  /** Without those that are to be removed. */
  #named(members: Iterable<number>): { id: number; name: string }[] {
    const named = [...members].map((id) => ({ id, name: this.#members.get(id)!.name }));
    return named.filter(({ name }) => name !== NAMELESS);
  }

  #group(id: number): Node {
    const group = this.#groups.get(id);
    assert(group !== undefined, `figures of group ${id}, which nobody has told of`);
    return group;
  }

  #addGroup(id: number, name: string, parentId: number): void {
    const parent = this.#group(parentId);
    const group = newNode(id, name, parent);
    parent.children.set(name, group);
    this.#groups.set(id, group);
  }

  #removeGroup(id: number): void {
    const { name, parent } = this.#group(id);
    parent?.children.delete(name);
    this.#groups.delete(id);
  }

  #addMember(id: number, name: string, groupId: number): void {
    const group = this.#group(groupId);
    group.members.add(id);
    this.#members.set(id, { name, group });
  }

  #removeMember(id: number): void {
    this.#members.get(id)?.group.members.delete(id);
    this.#members.delete(id);
  }
}

function newNode(id: number, name: string, parent: Node | null): Node {
  const path = parent === null || parent.path === '' ? name : `${parent.path}/${name}`;
  return {
    id,
    name,
    path,
    parent,
    members: new Set(),
    children: new Map(),
    settings: null,
    sized: null,
    shared: null,
  };
}

import {
  type FigureNews,
  type FigureRows,
  groupFigures,
  memberFigures,
  type Stats,
} from '../throttle/stats.js';
import { assert } from '../util/assert.js';

/** A group as readers of figures know it. */
interface Node {
  readonly id: number;
  readonly name: string;
  readonly path: string;
  readonly parent: Node | null;
  readonly members: Set<number>;
  readonly children: Map<string, Node>;
}

/** The figures of one group, plain data. */
export interface GroupFigures {
  /** Below the root group, '' for it. */
  path: string;
  members: { name: string; figures: Stats }[];
  /** Of the group and all below it. */
  total: Stats;
}

/**
 * Figures of all groups for a thread that has no throttle: it is told of groups and members, and
 * reads the numbers where the data path counts. The data plane need not answer for that, nor even be
 * alive.
 */
export class FigureReader {
  #rows: FigureRows | null = null;
  readonly #root = newNode(0, '', null);
  readonly #groups = new Map([[0, this.#root]]);
  readonly #members = new Map<number, { name: string; group: Node }>();

  /** Takes in the news of `Counters`, in order. */
  take(news: FigureNews): void {
    if (news.kind === 'rows') this.#rows = news;
    else if (news.kind === 'group') this.#addGroup(news.id, news.name, news.parent);
    else if (news.kind === 'group-gone') this.#removeGroup(news.id);
    else {
      this.#removeMember(news.id);
      if (news.kind === 'member') this.#addMember(news.id, news.name, news.group);
    }
  }

  /** The groups with their figures of now, each before those below it. */
  *groups(): Generator<GroupFigures> {
    if (this.#rows !== null) yield* this.#below(this.#root, this.#rows);
  }

  *#below(group: Node, rows: FigureRows): Generator<GroupFigures> {
    const members = [...group.members].map((member) => ({
      name: this.#members.get(member)!.name,
      figures: memberFigures(member, rows.members),
    }));
    yield { path: group.path, members, total: groupFigures(group, rows.members, rows.groups) };
    for (const child of group.children.values()) yield* this.#below(child, rows);
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
  return { id, name, path, parent, members: new Set(), children: new Map() };
}

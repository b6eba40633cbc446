import { refuse } from '../util/errors.js';
import type { Dispatcher } from './dispatcher.js';
import type { Group } from './group.js';
import { leafRow, ROOT_MEMBERS } from './node-table.js';
import type { Parts } from './parts.js';
import { NAMELESS } from './stats.js';
import { fitTables } from './tables.js';

/** The members: their names, numbers and groups. */
export class Members {
  readonly #parts: Parts;
  readonly #dispatcher: Dispatcher;
  readonly #names: string[] = [];
  readonly #free: number[] = [];

  constructor(parts: Parts, dispatcher: Dispatcher) {
    this.#parts = parts;
    this.#dispatcher = dispatcher;
  }

  /** The most members there ever were. Numbers of members are below it. */
  get highWater(): number {
    return this.#names.length;
  }

  nameOf(member: number): string {
    return this.#names[member];
  }

  groupOf(member: number): Group {
    return this.#parts.groups.byId(this.#parts.table.groupOf[member]);
  }

  /** Makes a member of the root group. Returns its number, which may be that of a removed one. */
  create(name: string): number {
    const { groups, table, nodes, counters } = this.#parts;
    const member = this.#free.pop() ?? this.#names.length;
    this.#names[member] = name;
    fitTables(this.#parts, groups.highWater, this.highWater);
    counters.memberNamed(member, name, groups.root.id);
    table.groupOf[member] = groups.root.id;
    for (let device = 0; device < nodes.devicesInUse; device++) {
      nodes.add(nodes.memberNode(member, device), nodes.nodeOf(ROOT_MEMBERS, device));
    }
    groups.root.members.add(member);
    return member;
  }

  /** Gives all members a node on a device that was not in use. */
  addDevice(device: number): void {
    const { table, nodes } = this.#parts;
    for (let member = 0; member < this.highWater; member++) {
      const leaf = leafRow(table.groupOf[member]);
      nodes.add(nodes.memberNode(member, device), nodes.nodeOf(leaf, device));
    }
  }

  /** Throws EBUSY while requests of the member wait or are in flight. */
  remove(member: number): void {
    const { counters } = this.#parts;
    const { queued, inflight } = counters.ofMember(member);
    if (queued + inflight > 0) {
      const what = `member "${this.#names[member]}": has ${queued + inflight} requests`;
      throw refuse(what, 'EBUSY');
    }
    const group = this.groupOf(member);
    group.members.delete(member);
    counters.memberRemoved(member, group.id);
    this.#free.push(member);
  }

  /** False if the member is in `group` already. Throws EBUSY if the group has groups below it. */
  canMove(member: number, group: Group): boolean {
    if (group.parent !== null && group.children.size > 0) {
      const what = `group "${group.path}": has groups below it; members live in leaves`;
      throw refuse(what, 'EBUSY');
    }
    return this.groupOf(member) !== group;
  }

  takeName(member: number): void {
    this.#names[member] = NAMELESS;
    this.#parts.counters.memberNamed(member, NAMELESS, this.groupOf(member).id);
  }

  /** Moves a member to another group, with its requests. */
  move(member: number, group: Group, now: number): void {
    const { counters, backlog, table, nodes } = this.#parts;
    const dispatcher = this.#dispatcher;
    const from = this.groupOf(member);
    const { queued } = counters.ofMember(member);
    if (queued > 0) dispatcher.beforeChange(now);
    else dispatcher.clock = now;
    from.members.delete(member);
    group.members.add(member);
    table.groupOf[member] = group.id;
    for (let device = 0; device < nodes.devicesInUse; device++) {
      const node = nodes.memberNode(member, device);
      const [inflight, waiting] = [nodes.inflight[node], nodes.queued[node]];
      backlog.add(node, -inflight, -waiting, now);
      nodes.attach(node, nodes.nodeOf(leafRow(group.id), device));
      backlog.add(node, inflight, waiting, now);
    }
    counters.memberMoved(member, this.#names[member], from.id, group.id);
    if (queued > 0) dispatcher.rebuild(now);
  }
}

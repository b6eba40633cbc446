import { deserialize, serialize } from 'node:v8';
import type { GroupsConfig } from '../control/set-up-groups.js';
import type { NodeIds } from '../tree/tree.js';
import type { OpenState, OwedState } from './carry-over.js';
import type { MountState } from './messages.js';

/** A mount as a daemon that dies leaves it. Plain data. */
export interface KeptState extends MountState, GroupsConfig {}

/**
 * The same, as it is written. What is long and seldom changes is bytes, which are made once and written again and again: with
 * 1,000 groups each open of a file took 17 ms of the data plane without that.
 */
export interface PackedState extends OpenState {
  /** NodeIds. */
  nodes: Uint8Array;
  /** OwedState. */
  owed: Uint8Array;
  /** GroupsConfig. */
  groups: Uint8Array;
  session: unknown;
}

export function pack(value: unknown): Uint8Array {
  return serialize(value);
}

export function unpack({ nodes, owed, groups, session, ...open }: PackedState): KeptState {
  const ids = deserialize(nodes) as NodeIds;
  const plane = { ...open, ...(deserialize(owed) as OwedState), nodes: ids };
  return { plane, session, ...(deserialize(groups) as GroupsConfig) };
}

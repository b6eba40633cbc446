import { deserialize, serialize } from 'node:v8';
import type { GroupsConfig } from '../control/set-up-groups.js';
import type { NodeIds } from '../tree/tree.js';
import type { OpenState, OwedState } from './carry-over.js';
import type { MountState } from './messages.js';

/** A mount as a daemon that dies leaves it. Plain data. */
export interface KeptState extends MountState, GroupsConfig {}

/**
 * A kept state as the file has it. Its long parts change seldom, so each is serialised when it changes, and the same bytes are
 * written with every state. With 1,000 groups each open of a file took 17 ms of the data plane before.
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

import type { Group, Throttle } from '../throttle/throttle.js';
import type { MemberChange } from './parse-members.js';

/** What the control files act on. */
export interface Control {
  readonly throttle: Throttle;
  /** The throttle's clock, ns. */
  readonly now: () => number;
  /**
   * Moves members to a group, or takes rules away from it: all of the list or nothing.
   * Throws ENOENT (no such image, process or rule), EINVAL (a rule of another group), EBUSY (the
   * group has groups below it).
   */
  changeMembers(group: Group, changes: readonly MemberChange[]): void;
  /** The throttle's numbers of a group's members, in the order in which they came. */
  members(group: Group): number[];
  /** A line for the daemon's log: a change was refused. */
  log(text: string): void;
}

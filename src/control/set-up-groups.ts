import type { PlaneConfig } from '../plane/messages.js';
import { CONTROL_FILES } from '../tree/control-files.js';
import { SluiceError } from '../util/errors.js';
import type { Control } from './control.js';
import { withParents } from './group-name.js';
import { parseMember } from './parse-members.js';

/** What a mount begins with. */
type GroupConfig = Pick<PlaneConfig, 'groups' | 'assignments' | 'depth'>;

/**
 * Makes the groups that a mount begins with, as if somebody wrote to their control files.
 *
 * @throws SluiceError naming the option that is at fault.
 */
export function makeGroups(config: GroupConfig, control: Control): void {
  const { throttle } = control;
  throttle.setDepth(config.depth, control.now());
  // Parents come first, and are made where nobody names them.
  for (const path of withParents(config.groups.map((group) => group.path))) {
    if (throttle.findGroup(path) !== undefined) continue;
    naming(`--group ${path}`, () => throttle.createGroup(path));
  }
  for (const { path, settings } of config.groups) {
    const group = throttle.findGroup(path)!;
    for (const { file, text } of settings) {
      const row = CONTROL_FILES.find(({ name }) => name === file)!;
      naming(`--group ${path || '/'}`, () => row.prepare!(text)(control, group));
    }
  }
  for (const { member, group } of config.assignments) {
    naming(`--assign ${member}=${group || '/'}`, () => {
      const change = { member: parseMember(member), remove: false };
      control.changeMembers(throttle.findGroup(group)!, [change]);
    });
  }
}

function naming(option: string, make: () => unknown): void {
  try {
    make();
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    throw new SluiceError(`${option}: ${error.message}`, error.errno, error.exitCode);
  }
}

import type { GroupsConfig } from '../../src/control/set-up-groups.js';
import type { ImageConfig } from '../../src/server/config.js';
import type { Random } from '../exerciser/random.js';
import { closeFile, openFile, readHandle } from './control-callers.js';
import type { Steps } from './disks.js';
import { give } from './order-callers.js';
import { DIED, type Scene, type Self } from './scene.js';
import { Failure } from './world.js';

/** What a configuration file says of groups. */
export type GroupsFile = Pick<GroupsConfig, 'groups' | 'assignments'>;

/** A configuration file. */
export interface SimConfigFile {
  now: GroupsFile;
  /** Those that it names: at first those that are there. */
  images: ImageConfig[];
  /** It is being changed and read again. */
  isBusy: boolean;
  /** A daemon has died while it read the file. */
  isUncertain: boolean;
}

/** Groups that nothing else names. */
const PATHS = ['r0', 'r1', 'r1/c0', 'r1/c1', 'r2', 'r2/c0'];
/** Rules for callers that there are not; and one that is made and moved by others too. */
const RULES = ['uid:70', 'uid:71', 'gid:72', 'pid:700'];
const SHARED_RULE = 'uid:2';
const READS = 50;

/** The configuration file is changed and read again: all that is different is made, or nothing. */
export function* reloadStep(scene: Scene, self: Self): Steps {
  const { configFile } = scene;
  if (configFile.isBusy) return;
  configFile.isBusy = true;
  try {
    yield* reloadGroups(scene, self);
  } finally {
    configFile.isBusy = false;
  }
}

function* reloadGroups(scene: Scene, self: Self): Steps {
  const { random } = self;
  const { configFile } = scene;
  const before = configFile.now;
  const isBad = random.oneIn(4);
  const after = makeGroups(random);
  const written = isBad ? spoiled(after, random) : after;
  configFile.now = written;
  const error = yield* give(scene, self, { kind: 'reload' });
  if (error?.errno === DIED) {
    // The groups may have been made, and the next daemon not know that they are of the file.
    configFile.isUncertain = true;
    return;
  }
  if (configFile.isUncertain) return;
  if (error !== null) configFile.now = before;
  if (error?.errno === 'ESHUTDOWN') return;
  if (error?.errno === 'EAGAIN' && scene.handsOver) return;
  if ((error?.errno ?? null) !== (isBad ? 'ENOENT' : null)) {
    throw new Failure(`a reload has ${error?.errno ?? 'no error'}: ${error?.message ?? ''}`);
  }
  yield* checkGroups(scene, configFile.now);
}

function makeGroups(random: Random): GroupsFile {
  const paths = PATHS.filter((path) => {
    return random.oneIn(2) && (!path.includes('/') || random.oneIn(2));
  });
  const groups = paths.map((path) => {
    const weight = random.oneIn(3) ? {} : { weight: 1 + random.below(1000) };
    const limits = random.oneIn(2) ? {} : { limits: { riops: 100 + random.below(10_000) } };
    return { path, changes: { ...weight, ...limits } };
  });
  // Only groups without groups below them have members.
  const leaves = paths.filter((path) => !paths.some((other) => other.startsWith(`${path}/`)));
  const rules = leaves.length === 0 ? [] : [...RULES, SHARED_RULE].filter(() => random.oneIn(2));
  const assignments = rules.map((member) => {
    return { member, group: leaves[random.below(leaves.length)]! };
  });
  return { groups, assignments };
}

/** The last step cannot be made. */
function spoiled({ groups, assignments }: GroupsFile, random: Random): GroupsFile {
  const all = [...assignments];
  const { path } = groups.at(-1) ?? { path: '' };
  all.splice(random.below(all.length + 1), 0, { member: 'nobody', group: path });
  return { groups, assignments: all };
}

/** The mount shows what the file says. */
function* checkGroups(scene: Scene, { groups, assignments }: GroupsFile): Steps {
  for (const path of PATHS) {
    const group = groups.find((one) => one.path === path);
    const isParent = groups.some((one) => one.path.startsWith(`${path}/`));
    const weight = yield* textOf(scene, `${path}/io.weight`);
    const isThere = group !== undefined || isParent;
    if (weight === null) {
      if (!isThere) continue;
      throw new Failure(`the file has the group ${path}, and the mount has not`);
    }
    if (!isThere) throw new Failure(`the file has no group ${path}, and the mount has one`);
    const wanted = `default ${group?.changes.weight ?? 100}`;
    if (weight !== wanted) throw new Failure(`${path} has the weight ${weight}, not ${wanted}`);
    const limit = group?.changes.limits?.riops;
    const limits = yield* textOf(scene, `${path}/io.max`);
    if (limits?.includes(`riops=${limit ?? 'max'}`) !== true) {
      throw new Failure(`${path} has the limits ${limits}, not ${limit}`);
    }
    const members = yield* textOf(scene, `${path}/members`);
    for (const rule of RULES) {
      const isOf = assignments.some((one) => one.member === rule && one.group === path);
      if ((members ?? '').split('\n').includes(rule) === isOf) continue;
      throw new Failure(`${rule} should${isOf ? '' : ' not'} be in ${path}, which has ${members}`);
    }
  }
}

/** The text of a control file; null: there is none. */
function* textOf(scene: Scene, path: string): Steps<string | null> {
  const { node, handle } = yield* openFile(scene, path, 0);
  if (node < 0) return null;
  for (let i = 0; i < READS; i++) {
    const text = yield* readHandle(scene, node, handle);
    if (text === null) continue;
    yield* closeFile(scene, node, handle);
    return text.trim();
  }
  throw new Failure(`${path} cannot be read`);
}

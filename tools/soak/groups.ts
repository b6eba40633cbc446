import { errnoName } from '../../src/util/errno.js';
import type { Random } from '../exerciser/random.js';
import type { Mounted } from '../torture/mounted.js';
import type { Agent, AgentTask } from '../verifier/agent.js';

/** Groups that a mount of the soak has from its beginning. */
const GROUPS = ['a', 'b', 'c/d'] as const;
/** Groups that come and go. */
const PASSING = ['x', 'y'] as const;

/** What the daemon may answer to a change that does not fit: the soak does not keep a model of groups. */
const REFUSALS: ReadonlySet<string> = new Set(['EBUSY', 'EEXIST', 'ENOENT', 'EINVAL', 'ENODEV']);

/** Words of a mount: groups with limits, and its images in them. */
export function groupWords(random: Random, names: readonly string[]): string[] {
  const words = GROUPS.flatMap((group) => [
    '--group',
    `${group}:weight=${1 + random.below(1000)},bps=${20 + random.below(200)}M`,
  ]);
  const assigned = names.filter(() => random.oneIn(2));
  return [
    ...words,
    ...assigned.flatMap((name) => ['--assign', `${name}=${GROUPS[random.below(3)]}`]),
    ...(random.oneIn(2) ? ['--depth', String(1 + random.below(64))] : []),
  ];
}

/** A random change of groups, members or limits. Limits are such that the load goes on. */
function randomChange(mounted: Mounted, random: Random, names: readonly string[]): AgentTask {
  const group = GROUPS[random.below(GROUPS.length)];
  const passing = PASSING[random.below(PASSING.length)];
  const put = (file: string, text: string): AgentTask => {
    return { call: 'put', path: mounted.control(file), text };
  };
  const rate = 8 + random.below(400);
  switch (random.below(12)) {
    case 0:
      return put(`${group}/io.max`, `bps=${rate}M iops=max`);
    case 1:
      return put(`${group}/io.max`, `riops=${rate * 20} wiops=${rate * 20}`);
    case 2:
      return put(`${group}/io.max`, 'rbps=max wbps=max bps=max riops=max wiops=max iops=max');
    case 3:
      return put(`${group}/io.burst`, `bps=${rate * 2}M/${1 + random.below(5)}`);
    case 4:
      return put(`${group}/io.weight`, String(1 + random.below(10000)));
    case 5:
      return put(`${group}/io.min`, `iops=${random.below(500)}`);
    case 6:
      return put(`${group}/io.latency`, random.oneIn(2) ? 'target=max' : `target=${rate * 10}`);
    case 7:
      return put('io.depth', random.oneIn(2) ? 'auto' : String(1 + random.below(128)));
    case 8:
      return put('io.cost', ['ios', 'bytes', 'linear'][random.below(3)]);
    case 9:
      return put(`${group}/members`, names[random.below(names.length)]);
    case 10:
      return { call: 'mkdir', path: mounted.control(passing) };
    default:
      return { call: 'rmdir', path: mounted.control(passing) };
  }
}

/** Makes a random change. @throws Error if the answer is one that no change can get */
export async function changeGroups(
  mounted: Mounted,
  agent: Agent,
  random: Random,
  names: readonly string[],
): Promise<void> {
  const change = randomChange(mounted, random, names);
  const result = await agent.result(change);
  if (result >= 0 || REFUSALS.has(errnoName(result))) return;
  throw new Error(`${JSON.stringify(change)}: ${errnoName(result)}`);
}

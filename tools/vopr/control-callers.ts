import * as abi from '../../src/fuse/abi.js';
import { getU64 } from '../../src/fuse/wire.js';
import { ERRNO, errnoName } from '../../src/util/errno.js';
import type { Random } from '../exerciser/random.js';
import type { Steps } from './disks.js';
import * as body from './requests.js';
import { ask, type Scene, type Self } from './scene.js';
import { Failure } from './world.js';

const O_RDWR = 2;
/** The most of a control file that is read at a time. */
const READ_BYTES = 65536;

/** Errors that a change of groups may have: the group is gone or has members, or the text makes no sense. */
const ALLOWED: ReadonlySet<number> = new Set([
  ERRNO.ENOENT,
  ERRNO.EEXIST,
  ERRNO.EBUSY,
  ERRNO.EINVAL,
  ERRNO.ERANGE,
  ERRNO.ENODEV,
  ERRNO.ESTALE,
  ERRNO.EPERM,
  ERRNO.ENOTDIR,
]);

const FILES = [
  'io.max',
  'io.weight',
  'io.min',
  'io.latency',
  'io.burst',
  'members',
  'io.stat',
  'io.times',
  'io.pressure',
  // What moves requests between groups comes more often.
  'members',
  'members',
  'members',
  'io.max',
  'io.max',
] as const;
const ROOT_FILES = ['io.depth', 'io.cost', 'daemon', 'images', 'refused'] as const;
const RATES = ['rbps', 'wbps', 'bps', 'riops', 'wiops', 'iops'];

function rate(random: Random, key: string): string {
  if (random.oneIn(4)) return 'max';
  // Slow, but not so slow that a run takes hours.
  const least = key.endsWith('bps') ? 200_000 : 50;
  return String(least * (1 + random.below([3, 30, 3000][random.below(3)]!)));
}

/** A text for a control file, mostly one that makes sense. */
function textFor(random: Random, file: string, disks: readonly string[]): string {
  if (random.oneIn(12))
    return ['', 'bps', 'x=1', '-1', 'bps=1e99', '\0\xff', 'max max'][random.below(7)]!;
  const key = RATES[random.below(RATES.length)]!;
  switch (file) {
    case 'io.max':
      return random.oneIn(8)
        ? `iops_size=${4096 * random.below(9)}`
        : `${key}=${rate(random, key)}`;
    case 'io.burst':
      return random.oneIn(3) ? `${key}=max` : `${key}=${1e9}/${1 + random.below(5)}`;
    case 'io.weight':
      return String(1 + random.below(random.oneIn(2) ? 10_000 : 100));
    case 'io.min':
      return `${random.oneIn(2) ? 'bps' : 'iops'}=${random.below(10_000)}`;
    case 'io.latency':
      return random.oneIn(3) ? 'target=max' : `target=${100 + random.below(100_000)}`;
    case 'io.depth':
      return random.oneIn(2) ? 'auto' : String(1 + random.below(300));
    case 'io.cost':
      return ['ios', 'bytes', 'linear'][random.below(3)]!;
    case 'members':
      return member(random, disks);
    default:
      return 'nothing';
  }
}

function member(random: Random, disks: readonly string[]): string {
  const sign = random.oneIn(3) ? '-' : '';
  switch (random.below(5)) {
    case 0:
      return `${sign}uid:${random.below(4)}`;
    case 1:
      return `${sign}gid:${random.below(3)}`;
    case 2:
      return `${sign}pid:${1 + random.below(20)}`;
    case 3:
      return `${sign}cgroup:/c${random.below(4)}`;
    default:
      return disks[random.below(disks.length)]!;
  }
}

/** One change or look at the groups. */
export function* controlStep(scene: Scene, { random }: Self): Steps {
  const group = groupName(random);
  if (random.oneIn(8)) {
    yield* makeGroup(scene, group);
    return;
  }
  if (random.oneIn(10)) {
    yield* removeGroup(scene, group);
    return;
  }
  const isRoot = random.oneIn(4);
  const files = isRoot && random.oneIn(2) ? ROOT_FILES : FILES;
  const file = files[random.below(files.length)]!;
  const path = isRoot ? file : `${group}/${file}`;
  if (random.oneIn(3)) yield* readFile(scene, path);
  else
    yield* writeFile(
      scene,
      path,
      textFor(
        random,
        file,
        scene.disks.map((disk) => disk.name),
      ),
    );
}

function groupName(random: Random): string {
  const name = `g${random.below(6)}`;
  return random.oneIn(5) ? `${name}/c${random.below(3)}` : name;
}

function check(error: number, what: string): void {
  if (error === 0 || ALLOWED.has(-error)) return;
  throw new Failure(`${what} fails with ${errnoName(-error)}`);
}

/** The node of a path below `.groups`, or -errno. */
export function* find(scene: Scene, path: string): Steps<number> {
  let node = abi.ROOT_ID;
  for (const name of ['.groups', ...path.split('/')].filter((part) => part !== '')) {
    const asked = yield* ask(scene, { opcode: abi.LOOKUP, node, body: body.nameBody(name) });
    if (asked.error !== 0) {
      check(asked.error, `a lookup of ${path}`);
      return asked.error;
    }
    node = getU64(new DataView(asked.payload.buffer), abi.ENTRY_OUT_NODEID);
  }
  return node;
}

function parts(path: string): { parent: string; name: string } {
  const at = path.lastIndexOf('/');
  return { parent: path.slice(0, Math.max(0, at)), name: path.slice(at + 1) };
}

export function* makeGroup(scene: Scene, path: string): Steps {
  const { parent, name } = parts(path);
  const node = yield* find(scene, parent);
  if (node < 0) return;
  const asked = yield* ask(scene, {
    opcode: abi.MKDIR,
    node,
    body: body.nameBody(name, abi.MKDIR_IN_BYTES),
  });
  check(asked.error, `mkdir ${path}`);
}

function* removeGroup(scene: Scene, path: string): Steps {
  const { parent, name } = parts(path);
  const node = yield* find(scene, parent);
  if (node < 0) return;
  const group = yield* find(scene, path);
  const asked = yield* ask(scene, { opcode: abi.RMDIR, node, body: body.nameBody(name) });
  check(asked.error, `rmdir ${path}`);
  if (asked.error !== 0 || group < 0) return;
  const attributes = body.zerosBody(abi.GETATTR_IN_BYTES);
  const seen = yield* ask(scene, { opcode: abi.GETATTR, node: group, body: attributes });
  if (seen.error === 0) throw new Failure(`${path} is still there after rmdir`);
}

export function* openFile(
  scene: Scene,
  path: string,
  flags: number,
): Steps<{ node: number; handle: number }> {
  const node = yield* find(scene, path);
  if (node < 0) return { node, handle: 0 };
  const asked = yield* ask(scene, { opcode: abi.OPEN, node, body: body.openBody(flags) });
  if (asked.error === -ERRNO.EACCES) return { node: -1, handle: 0 };
  check(asked.error, `an open of ${path}`);
  if (asked.error !== 0) return { node: asked.error, handle: 0 };
  return { node, handle: getU64(new DataView(asked.payload.buffer), abi.OPEN_OUT_FH) };
}

export function* closeFile(scene: Scene, node: number, handle: number): Steps {
  yield* ask(scene, { opcode: abi.RELEASE, node, body: body.releaseBody(handle) });
}

/** The content of an open control file; null: the kernel has refused the reply. */
export function* readHandle(scene: Scene, node: number, handle: number): Steps<string | null> {
  const asked = yield* ask(scene, {
    opcode: abi.READ,
    node,
    body: body.ioBody(handle, 0, READ_BYTES),
  });
  if (scene.hits.has(asked.unique)) return null;
  if (asked.error !== 0) throw new Failure(`a read of an open file fails with ${asked.error}`);
  return Buffer.from(asked.payload).toString();
}

function* readFile(scene: Scene, path: string): Steps {
  const { node, handle } = yield* openFile(scene, path, 0);
  if (node < 0) return;
  const asked = yield* ask(scene, {
    opcode: abi.READ,
    node,
    body: body.ioBody(handle, 0, READ_BYTES),
  });
  if (scene.hits.has(asked.unique)) return;
  check(asked.error, `a read of ${path}`);
  const { length } = asked.payload;
  const isWhole = length > 0 && length < READ_BYTES;
  if (asked.error === 0 && isWhole && asked.payload.at(-1) !== 10) {
    throw new Failure(`${path} does not end in a newline`);
  }
  yield* closeFile(scene, node, handle);
}

/** Changes the weights of the two groups that always have requests. */
export function* weigh(scene: Scene, { random }: Self): Steps {
  for (let index = 0; index < 2; index++) {
    yield* writeFile(scene, `fair${index}/io.weight`, String(1 + random.below(100)));
  }
}

/** Writes a text to a control file. */
export function* writeFile(scene: Scene, path: string, text: string): Steps {
  const { node, handle } = yield* openFile(scene, path, O_RDWR);
  if (node < 0) return;
  check(yield* writeHandle(scene, node, handle, text), `"${text}" to ${path}`);
  yield* closeFile(scene, node, handle);
}

/** Writes a text to an open control file. @returns 0 or -errno. */
export function* writeHandle(
  scene: Scene,
  node: number,
  handle: number,
  text: string,
): Steps<number> {
  const bytes = Buffer.from(`${text}\n`, 'latin1');
  const asked = yield* ask(scene, {
    opcode: abi.WRITE,
    node,
    body: body.writeBody(handle, 0, bytes.length, false, (payload) => payload.set(bytes)),
  });
  return asked.error;
}

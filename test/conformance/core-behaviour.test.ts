import type { ExecutionContext } from 'ava';
import * as abi from '../../src/fuse/abi.js';
import { ERRNO } from '../../src/util/errno.js';
import { requires } from '../helpers/requires.js';
import { MIB, TMPFS } from '../helpers/temp.js';
import { ENGINES, type EngineName } from './core-engines.js';
import { CorePlane, type Reply } from './core-plane.js';
import { keepAlive } from './core-variant.js';
import { type FormatName, TWO_FORMATS } from './exceptions.js';
import { ImageFile } from './image-file.js';

// How the data plane handles waiting requests, on every engine and format, without a mount.

interface Way {
  engine: EngineName;
  format: FormatName;
}

type Behaviour = (t: ExecutionContext, way: Way) => Promise<void>;

/** A plane with the images `a` and `b` in groups. */
async function makePlane(t: ExecutionContext, way: Way, group: string[], assign: string[]) {
  const base = ENGINES[way.engine].inMemory ? TMPFS : undefined;
  const images = ['a', 'b'].map(async (name) => {
    return `${name}=${(await ImageFile.make(t, way.format, { bytes: MIB }, base)).path}`;
  });
  const paths = [...(await Promise.all(images)), '/nowhere'];
  return CorePlane.make(t, way.engine, { paths, group, assign });
}

function read(plane: CorePlane, name: string, index = 0): Promise<Reply> {
  return plane.ask(abi.READ, plane.find(`${name}.raw`)!.id, abi.IO_IN_BYTES, (writer) => {
    writer.long(abi.IO_IN_OFFSET, (index % 256) * 4096);
    writer.word(abi.IO_IN_SIZE, 4096);
  });
}

/** Outstanding requests of an image: 10 pass an idle limit, and `a` must have more that wait. */
const OUTSTANDING = 64;

/** The percentage of `a` among the next `count` requests of both images. */
async function shareOf(plane: CorePlane, count: number): Promise<number> {
  const done = { a: 0, b: 0 };
  const isOver = () => done.a + done.b >= count;
  const stream = async (name: 'a' | 'b', first: number): Promise<void> => {
    for (let i = first; !isOver(); i += OUTSTANDING) {
      await read(plane, name, i);
      if (!isOver()) done[name]++;
    }
  };
  const streams = Array.from({ length: OUTSTANDING }, (_, i) => [stream('a', i), stream('b', i)]);
  await Promise.all(streams.flat());
  return (100 * done.a) / count;
}

const weights: Behaviour = async (t, way) => {
  const group = ['p:iops=1000', 'p/a:weight=80', 'p/b:weight=20'];
  const plane = await makePlane(t, way, group, ['a=p/a', 'b=p/b']);
  plane.simulateTime();
  const share = await shareOf(plane, 600);
  t.true(Math.abs(share - 80) < 1, `${share} %`);
};

const interrupt: Behaviour = async (t, way) => {
  const plane = await makePlane(t, way, ['slow:bps=1'], ['a=slow']);
  const first = read(plane, 'a');
  const [waiting, other] = [read(plane, 'a', 1), read(plane, 'a', 2)];
  plane.interrupt(1);
  t.is((await waiting).error, -ERRNO.EINTR);
  t.is((await read(plane, 'b')).error, 0, 'others go on');
  plane.release();
  t.deepEqual([(await first).error, (await other).error], [0, 0], 'the other one was left alone');
};

const late: Behaviour = async (t, way) => {
  const plane = await makePlane(t, way, [], []);
  t.is((await read(plane, 'a')).payload.length, 4096);
  plane.interrupt();
  t.is((await read(plane, 'a')).payload.length, 4096);
};

const release: Behaviour = async (t, way) => {
  const plane = await makePlane(t, way, ['slow:bps=1'], ['a=slow', 'b=slow']);
  const all = Array.from({ length: 64 }, (_, i) => read(plane, i % 2 === 0 ? 'a' : 'b', i));
  plane.release();
  const lengths = (await Promise.all(all)).map(({ payload }) => payload.length);
  t.deepEqual(new Set(lengths), new Set([4096]));
};

const BEHAVIOURS: Readonly<Record<string, Behaviour>> = {
  'weights share what is limited above them': weights,
  'who waits and is interrupted gets EINTR, nobody else': interrupt,
  'an interrupt that comes after the reply changes nothing': late,
  'requests that wait when the mount ends are served': release,
};

for (const engine of Object.keys(ENGINES) as EngineName[]) {
  for (const format of TWO_FORMATS) {
    const qemu = format === 'qcow2' ? (['qemu'] as const) : [];
    const test = requires(...ENGINES[engine].needs, ...qemu);
    for (const [title, behaviour] of Object.entries(BEHAVIOURS)) {
      test(`dispatch core, ${engine}, ${format}: ${title}`, (t) =>
        keepAlive(t, () => behaviour(t, { engine, format })));
    }
  }
}

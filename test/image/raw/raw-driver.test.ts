import test from 'ava';
import type { Task } from '../../../src/host/engine.js';
import { DATA, newExtent, ZERO } from '../../../src/image/extent.js';
import { RawDriver } from '../../../src/image/raw/raw-driver.js';

const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const ENXIO = 6;
const EIO = 5;

for (const [host, size] of [
  [0, 0],
  [1, 512],
  [511, 512],
  [512, 512],
  [513, 1024],
  [1000, 1024],
  [1_073_741_825, 1_073_742_336],
  [5_000_000_000_001, 5_000_000_000_512],
] as const) {
  test(`a host file of ${host} bytes is an image of ${size}`, (t) => {
    t.is(imageOf(0, host).size, size);
  });
}

/** The answer of the host. */
let answer = 0;
const io = { engine: { seek: () => answer, resize: () => 0 } } as never;

function imageOf(file: number, hostSize: number): RawDriver {
  return new RawDriver({ file, hostSize, alignment: 1, blockDevice: false }, io);
}

/** The result of a task whose host calls end at once. */
function run(task: Task): number {
  let step = task.next(0);
  while (!step.done) step = task.next(step.value);
  return step.value;
}

/** The result of a seek for which the host answers `host`. */
function seek(image: RawDriver, offset: number, whence: number, host: number): number {
  answer = host;
  return run(image.seek(0, offset, whence));
}

function mapped(image: RawDriver, offset: number, length: number): object {
  const extent = newExtent();
  image.map(offset, length, extent);
  return extent;
}

test('a range within the host file is data at the same offset', (t) => {
  const image = imageOf(3, 1000);
  t.like(mapped(image, 0, 1000), { kind: DATA, file: 3, offset: 0, length: 1000 });
  t.like(mapped(image, 999, 1), { kind: DATA, file: 3, offset: 999, length: 1 });
});

test('a range across the end of the host file is data up to it', (t) => {
  const image = imageOf(3, 1000);
  t.like(mapped(image, 0, 1024), { kind: DATA, file: 3, offset: 0, length: 1000 });
  t.like(mapped(image, 999, 25), { kind: DATA, file: 3, offset: 999, length: 1 });
});

test('a range behind the end of the host file is zeros, all of it', (t) => {
  const image = imageOf(3, 1000);
  t.like(mapped(image, 1000, 24), { kind: ZERO, length: 24 });
  t.like(mapped(image, 1023, 1), { kind: ZERO, length: 1 });
  t.like(mapped(imageOf(0, 0), 0, 512), { kind: ZERO, length: 512 });
});

test('writes go where they are asked for, past the end too', (t) => {
  const image = imageOf(3, 1000);
  const extent = newExtent();
  image.mapWrite(500, 4096, extent);
  t.like({ ...extent }, { kind: DATA, file: 3, offset: 500, length: 4096 });
  image.mapWrite(9_000_000_000, 1, extent);
  t.like({ ...extent }, { kind: DATA, file: 3, offset: 9_000_000_000, length: 1 });
});

test('a write past the end grows the image, a write within it does not', (t) => {
  const image = imageOf(0, 1000);
  image.written(900);
  t.is(image.size, 1024);
  t.like(mapped(image, 1000, 24), { kind: ZERO });
  image.written(1001);
  t.is(image.size, 1024);
  t.like(mapped(image, 1000, 24), { kind: DATA, length: 1 });
  image.written(1025);
  t.is(image.size, 1536);
});

test('a host file that was cut or grown is an image of its new size', (t) => {
  const image = imageOf(0, 4096);
  run(image.resize(0, 1000));
  t.is(image.size, 1024);
  t.like(mapped(image, 1000, 24), { kind: ZERO });
  run(image.resize(0, 0));
  t.is(image.size, 0);
  run(image.resize(0, 1_000_000));
  t.is(image.size, 1_000_448);
});

// A host file of 1000 bytes, so an image of 1024: the last 24 are a hole. `host`: lseek's result.
for (const [what, offset, whence, host, expected] of [
  ['data in the host file is where the host says', 0, SEEK_DATA, 512, 512],
  ['a hole in the host file is where the host says', 0, SEEK_HOLE, 512, 512],
  ['a host file without holes ends in the hole of the tail', 0, SEEK_HOLE, 1000, 1000],
  ['no data from here on is ENXIO', 600, SEEK_DATA, -ENXIO, -ENXIO],
  ['the tail holds no data', 1000, SEEK_DATA, -ENXIO, -ENXIO],
  ['the tail is a hole from its first byte', 1000, SEEK_HOLE, -ENXIO, 1000],
  ['the tail is a hole from any byte of it', 1023, SEEK_HOLE, -ENXIO, 1023],
  ['at the end there is nothing', 1024, SEEK_HOLE, -ENXIO, -ENXIO],
  ['at the end there is no data', 1024, SEEK_DATA, -ENXIO, -ENXIO],
  ['behind the end there is nothing, whatever the host says', 5000, SEEK_HOLE, 5000, -ENXIO],
  ['an error of the host stays one', 0, SEEK_HOLE, -EIO, -EIO],
  ['an error of the host while looking for data stays one', 0, SEEK_DATA, -EIO, -EIO],
] as const) {
  test(`an unaligned tail: ${what}`, (t) => {
    t.is(seek(imageOf(0, 1000), offset, whence, host), expected);
  });
}

test('an image of whole sectors ends in the hole that every file ends in', (t) => {
  const image = imageOf(0, 1024);
  t.is(seek(image, 0, SEEK_HOLE, 1024), 1024);
  t.is(seek(image, 1023, SEEK_HOLE, 1024), 1024);
  t.is(seek(image, 1024, SEEK_HOLE, -ENXIO), -ENXIO);
});

test('a file that others write too has the size that the host tells, to the byte', (t) => {
  let size = 5000;
  const engine = {
    status: (_: number, __: number, status: object) => +!Object.assign(status, { size }),
  };
  const raw = { file: 3, hostSize: 1000, alignment: 1, blockDevice: false, shared: true };
  const image = new RawDriver(raw, { engine } as never);
  t.is(image.size, 1000);
  const status = { allocated: 0, times: null as never, size: 0 };
  t.is(run(image.status(0, status)), 0);
  t.deepEqual([image.size, status.size], [5000, 5000]);
  size = 300;
  run(image.status(0, status));
  t.is(image.size, 300);
});

for (const shared of [false, true]) {
  test(`the last flush of an image without writes of ours: ${shared ? 'others wrote' : 'none'}`, (t) => {
    let flushes = 0;
    const engine = { flush: () => +!++flushes };
    const raw = { file: 3, hostSize: 1000, alignment: 1, blockDevice: false, shared };
    t.is(run(new RawDriver(raw, { engine } as never).close(0, false)), 0);
    t.is(flushes, shared ? 1 : 0);
  });
}

test('an image that is made longer does not lose what a write puts behind its new end meanwhile', (t) => {
  const calls: string[] = [];
  let result = 0;
  const engine = {
    allocate: (_request: number, _file: number, mode: number, offset: number, length: number) => {
      calls.push(`allocate ${mode} ${offset}+${length}`);
      return result;
    },
    resize: (_request: number, _file: number, size: number) => {
      calls.push(`resize ${size}`);
      return 0;
    },
    status: () => 0,
  };
  const config = { file: 0, hostSize: 4096, alignment: 1, blockDevice: false };
  const image = new RawDriver(config, { engine } as never);
  const task = image.grow(0, 8192);
  task.next(0);
  image.written(16384);
  t.true(task.next(0).done);
  t.is(image.size, 16384);
  t.is(run(image.grow(0, 8192)), 0);
  t.deepEqual(calls, ['allocate 0 8191+1']);
  result = -95;
  t.is(run(image.grow(0, 32768)), -95);
  t.is(image.size, 16384);
  t.deepEqual(calls.slice(1), ['allocate 0 32767+1']);
});

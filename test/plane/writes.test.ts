import test from 'ava';
import { difference, sameBytes } from '../helpers/same-bytes.js';
import { pattern } from '../helpers/temp.js';
import { Bench, DISK } from './bench.js';
import type { FakeFile, Mode } from './fake-host.js';

const EIO = 5;
const ENOSPC = 28;
const EROFS = 30;
const MODES: readonly Mode[] = ['linked', 'plain', 'inline', 'mixed'];
const HOST = new Uint8Array(pattern(20000, 7));
const PAYLOAD = new Uint8Array(pattern(20480, 99));

/** The contents of HOST with `payload` at `offset`. */
function over(offset: number, payload: Uint8Array, size = HOST.length): Uint8Array {
  const content = new Uint8Array(Math.max(size, offset + payload.length));
  content.set(HOST);
  content.set(payload, offset);
  return content;
}

for (const mode of MODES) {
  for (const alignment of [1, 512, 4096]) {
    const name = `${mode}, alignment ${alignment}`;
    test(`${name}: a write changes its range and nothing beside it`, (t) => {
      for (const [offset, length] of [
        [0, 4096],
        [4096, 8192],
        [1, 1],
        [511, 2],
        [4095, 4098],
        [100, 300],
        [100, 15000],
        [512, 511],
        [0, 16384],
      ] as const) {
        const bench = new Bench({ contents: [HOST], mode, alignment });
        const payload = PAYLOAD.slice(0, length);
        t.is(bench.writeNow(offset, payload), length);
        t.is(
          difference(bench.host.files[0]!.content, over(offset, payload)),
          null,
          `${offset}+${length}`,
        );
        bench.assertIdle();
      }
    });

    test(`${name}: a write into the tail makes the host file as long as the image`, (t) => {
      const bench = new Bench({ contents: [HOST], mode, alignment });
      t.is(bench.writeNow(20470, PAYLOAD.slice(0, 10)), 10);
      sameBytes(t, bench.readNow(20000, 480), over(20470, PAYLOAD.slice(0, 10)).slice(20000));
      t.is(bench.host.files[0]!.size, 20480);
      bench.assertIdle();
    });

    test(`${name}: a write across the end of a fixed disk is short, one behind it ENOSPC`, (t) => {
      const bench = new Bench({ contents: [HOST], mode, alignment });
      t.is(bench.writeNow(20000, PAYLOAD.slice(0, 4096)), 480);
      t.is(bench.writeNow(20480, PAYLOAD.slice(0, 1)), -ENOSPC);
      t.is(bench.writeNow(2 ** 40, PAYLOAD.slice(0, 1)), -ENOSPC);
      t.is(bench.writeNow(20480, new Uint8Array()), 0);
      t.is(bench.host.files[0]!.size, 20480);
      bench.assertIdle();
    });

    test(`${name}: EIO and ENOSPC of the host reach the caller, and the size stays`, (t) => {
      for (const errno of [EIO, ENOSPC]) {
        const bench = new Bench({ contents: [HOST], mode, alignment, config: { growable: true } });
        bench.host.fault = (op) => (op.kind === 'write' ? -errno : null);
        t.is(bench.writeNow(0, PAYLOAD.slice(0, 4096)), -errno);
        t.is(bench.writeNow(100, PAYLOAD.slice(0, 4096)), -errno);
        t.is(bench.writeNow(40960, PAYLOAD.slice(0, 4096)), -errno);
        t.is(bench.size, 20480);
        t.is(difference(bench.host.files[0]!.content, HOST), null);
        bench.assertIdle();
      }
    });

    test(`${name}: a short transfer is written on until all is there`, (t) => {
      const bench = new Bench({ contents: [HOST], mode, alignment });
      bench.host.fault = (op) => (op.length > alignment ? alignment : null);
      t.is(bench.writeNow(4096, PAYLOAD.slice(0, 4096)), 4096);
      t.is(difference(bench.host.files[0]!.content, over(4096, PAYLOAD.slice(0, 4096))), null);
      t.is(bench.writeNow(4000, PAYLOAD.slice(0, 96)), 96);
      bench.assertIdle();
    });

    test(`${name}: an error behind a short transfer is a short write`, (t) => {
      const bench = new Bench({ contents: [HOST], mode, alignment });
      let calls = 0;
      bench.host.fault = (op) => (op.kind === 'write' && calls++ > 0 ? -ENOSPC : shorten(op.kind));
      const shorten = (kind: string) => (kind === 'write' ? 4096 : null);
      t.is(bench.writeNow(0, PAYLOAD.slice(0, 16384)), 4096);
      t.is(difference(bench.host.files[0]!.content, over(0, PAYLOAD.slice(0, 4096))), null);
      bench.assertIdle();
    });

    test(`${name}: of a mapped page that is written in part the error is told`, (t) => {
      const bench = new Bench({ contents: [HOST], mode, alignment });
      let calls = 0;
      bench.host.fault = (op) => (op.kind === 'write' ? (calls++ === 0 ? 4096 : -EIO) : null);
      t.is(bench.writeNow(0, PAYLOAD.slice(0, 8192), true), -EIO);
      bench.assertIdle();
    });

    test(`${name}: a read-only disk refuses with EROFS and asks nothing of its host`, (t) => {
      const bench = new Bench({ contents: [HOST], mode, alignment, config: { readOnly: true } });
      t.is(bench.writeNow(0, PAYLOAD.slice(0, 512)), -EROFS);
      t.is(bench.writeNow(30000, PAYLOAD.slice(0, 512)), -EROFS);
      t.deepEqual(bench.host.files[0]!.log, []);
      bench.assertIdle();
    });

    // Larger blocks are for images that end with one and do not grow.
    if (alignment > 512) continue;

    test(`${name}: a growable disk grows by a write past its end, zeros between`, (t) => {
      const bench = new Bench({ contents: [HOST], mode, alignment, config: { growable: true } });
      t.is(bench.writeNow(30000, PAYLOAD.slice(0, 1000)), 1000);
      t.is(bench.size, 31232); // 61 sectors
      t.is(bench.host.files[0]!.size <= 31232, true);
      t.deepEqual(
        bench.readNow(20000, 11232),
        over(30000, PAYLOAD.slice(0, 1000), 31232).slice(20000),
      );
      bench.assertIdle();
    });

    test(`${name}: a disk ends where the part of a failed write does that the host has made`, (t) => {
      const bench = new Bench({ contents: [HOST], mode, alignment, config: { growable: true } });
      const [file] = bench.host.files as [FakeFile];
      let calls = 0;
      bench.host.fault = ({ kind }) => {
        file.status.size = file.size;
        if (kind !== 'write') return null;
        return calls++ === 0 ? 4096 : -ENOSPC;
      };
      t.is(bench.writeNow(20480, PAYLOAD.slice(0, 8192), true), -ENOSPC);
      t.is(file.size, 24576);
      t.is(bench.size, 24576);
      bench.assertIdle();
    });

    test(`${name}: an empty growable disk takes its first byte`, (t) => {
      const bench = new Bench({
        contents: [new Uint8Array()],
        mode,
        alignment,
        config: { growable: true },
      });
      t.is(bench.writeNow(0, Uint8Array.of(65)), 1);
      t.is(bench.size, 512);
      t.deepEqual((bench.readNow(0, 4096) as Uint8Array).length, 512);
      bench.assertIdle();
    });
  }
}

test('the largest write, 1 MiB from the last byte of a block, is rewritten whole', (t) => {
  const content = new Uint8Array(pattern(2 << 20, 3));
  const payload = new Uint8Array(pattern(1 << 20, 4));
  const bench = new Bench({ contents: [content], alignment: 4096 });
  t.is(bench.writeNow(4095, payload), 1 << 20);
  content.set(payload, 4095);
  t.is(Buffer.compare(bench.host.files[0]!.content, content), 0);
  bench.assertIdle();
});

test('a whole-block write and its reply go down as a pair', (t) => {
  const bench = new Bench({ contents: [HOST], alignment: 512 });
  bench.write(512, PAYLOAD.slice(0, 512));
  t.is(bench.pending(), 'write+reply');
  bench.run();
  t.deepEqual(bench.host.files[0]!.log, ['write 512+512']);
  bench.assertIdle();
});

test('an unaligned write reads the blocks at its edges, and only those', (t) => {
  const bench = new Bench({ contents: [HOST], alignment: 512 });
  bench.writeNow(100, PAYLOAD.slice(0, 2000)); // blocks 0 to 4
  bench.writeNow(512, PAYLOAD.slice(0, 600)); // begins with a block
  bench.writeNow(700, PAYLOAD.slice(0, 324)); // ends with a block
  t.deepEqual(bench.host.files[0]!.log, [
    ...['read 0+512', 'read 2048+512', 'write 0+2560'],
    ...['read 1024+512', 'write 512+1024'],
    ...['read 512+512', 'write 512+512'],
  ]);
});

test('an error while an edge is read writes nothing', (t) => {
  const bench = new Bench({ contents: [HOST], alignment: 512 });
  for (const bad of [0, 2048]) {
    bench.host.fault = (op) => (op.kind === 'read' && op.offset === bad ? -EIO : null);
    t.is(bench.writeNow(100, PAYLOAD.slice(0, 2000)), -EIO);
  }
  t.is(difference(bench.host.files[0]!.content, HOST), null);
  bench.assertIdle();
});

test('writes to neighbouring bytes of one block all survive, in any order of events', (t) => {
  for (const alignment of [512, 4096]) {
    for (let order = 0; order < 12; order++) {
      const bench = new Bench({ contents: [HOST], alignment });
      const writes = Array.from({ length: 40 }, (_, i) =>
        bench.write(i * 13, PAYLOAD.slice(i, i + 13)),
      );
      const whole = bench.write(alignment, PAYLOAD.slice(0, alignment));
      for (let turn = 0; bench.host.pending.length > 0; turn++) {
        bench.stepAt((turn * order) % bench.host.pending.length);
      }
      const expected = over(0, HOST);
      // The whole-block write was the last one to the second block; the others end at 520.
      for (let i = 0; i < 40; i++) expected.set(PAYLOAD.slice(i, i + 13), i * 13);
      expected.set(PAYLOAD.slice(0, alignment), alignment);
      t.is(difference(bench.host.files[0]!.content, expected), null);
      for (const id of writes) t.is(bench.written(id), 13);
      t.is(bench.written(whole), alignment);
      bench.assertIdle();
    }
  }
});

test('a write that waits for a block does not hold up another disk or another block', (t) => {
  const bench = new Bench({ contents: [HOST, HOST], alignment: 512 });
  const first = bench.write(10, PAYLOAD.slice(0, 5));
  const second = bench.write(20, PAYLOAD.slice(0, 5));
  t.is(bench.pending(), 'read');
  const elsewhere = bench.write(4096, PAYLOAD.slice(0, 512));
  const other = bench.write(20, PAYLOAD.slice(0, 5), DISK + 1);
  t.is(bench.pending(), 'read write+reply read');
  bench.step('write');
  t.is(bench.reply(elsewhere).error, 0);
  bench.run();
  for (const id of [first, second, other]) t.is(bench.written(id), 5);
  bench.assertIdle();
});

test('a write that waits for a block gets its turn after the one before it has failed', (t) => {
  const bench = new Bench({ contents: [HOST], alignment: 512 });
  let calls = 0;
  bench.host.fault = (op) => (op.kind === 'write' && calls++ === 0 ? -EIO : null);
  const first = bench.write(10, PAYLOAD.slice(0, 5));
  const second = bench.write(20, PAYLOAD.slice(0, 5));
  const third = bench.write(0, PAYLOAD.slice(0, 512));
  bench.run();
  t.is(bench.reply(first).error, -EIO);
  t.is(bench.written(second), 5);
  t.is(bench.written(third), 512);
  bench.assertIdle();
});

test('the reply to a write that makes a disk longer waits until the disk is longer', (t) => {
  const config = { growable: true };
  const bench = new Bench({ contents: [HOST], mode: 'linked', alignment: 1, config });
  for (const offset of [16384, 20480]) bench.write(offset, PAYLOAD.slice(0, 4096));
  t.deepEqual(
    bench.host.pending.map(({ kind, offset, link }) => [kind, offset, link !== null]),
    [
      ['write', 16384, true],
      ['write', 20480, false],
    ],
  );
  bench.run();
  t.is(bench.size, 24576);
  bench.assertIdle();
});

test('a write into the last sector of a growable image does not make its file longer than the image', (t) => {
  const content = HOST.slice(0, 2560);
  const bench = new Bench({ contents: [content], alignment: 512, config: { growable: true } });
  t.is(bench.writeNow(2100, PAYLOAD.slice(0, 400)), 400);
  t.is(bench.writeNow(2600, PAYLOAD.slice(0, 10)), 10);
  t.is(bench.size, 3072);
  t.is(bench.host.files[0]!.size, 3072);
  t.false(bench.host.files[0]!.log.some((line) => line.startsWith('resize')));
});

test('a write marks the disk for the flush at the end', (t) => {
  const bench = new Bench({ contents: [HOST] });
  bench.readNow(0, 512);
  t.false(bench.disks[0]!.image.dirty);
  bench.writeNow(0, PAYLOAD.slice(0, 512));
  t.true(bench.disks[0]!.image.dirty);
});

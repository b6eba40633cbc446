import test from 'ava';
import { sameBytes } from '../helpers/same-bytes.js';
import { pattern } from '../helpers/temp.js';
import { Bench, DISK, ioBody, READ } from './bench.js';
import type { Mode } from './fake-host.js';

const EIO = 5;
const MODES: readonly Mode[] = ['linked', 'plain', 'inline', 'mixed'];

/** A host file of 20000 bytes: an image of 20480 with a tail of 480 zeros. */
const HOST = new Uint8Array(pattern(20000, 7));
const IMAGE = new Uint8Array(20480);
IMAGE.set(HOST);

for (const mode of MODES) {
  for (const alignment of [1, 512, 4096]) {
    const name = `${mode}, alignment ${alignment}`;
    test(`${name}: any range reads as the image's bytes`, (t) => {
      const bench = new Bench({ contents: [HOST], mode, alignment });
      for (const [offset, length] of [
        [0, 4096],
        [4096, 8192],
        [0, 20480],
        [1, 1],
        [511, 2],
        [4095, 4098],
        [100, 19000],
        [16384, 4096],
        [19999, 1],
      ] as const) {
        sameBytes(t, bench.readNow(offset, length), IMAGE.slice(offset, offset + length));
      }
      bench.assertIdle();
    });

    test(`${name}: what lies behind the host file is zeros, without I/O of its own`, (t) => {
      const bench = new Bench({ contents: [HOST], mode, alignment });
      t.deepEqual(bench.readNow(20000, 480), new Uint8Array(480));
      t.deepEqual(bench.readNow(20479, 1), new Uint8Array(1));
      t.deepEqual(bench.host.files[0]!.log, []);
      sameBytes(t, bench.readNow(19990, 20), IMAGE.slice(19990, 20010));
      t.is(bench.host.files[0]!.log.length, 1);
      bench.assertIdle();
    });

    test(`${name}: a read across the end is cut, one behind it reads nothing`, (t) => {
      const bench = new Bench({ contents: [HOST], mode, alignment });
      t.deepEqual(bench.readNow(20000, 4096), new Uint8Array(480));
      t.deepEqual(bench.readNow(20480, 4096), new Uint8Array());
      t.deepEqual(bench.readNow(2 ** 40, 4096), new Uint8Array());
      t.deepEqual(bench.readNow(0, 0), new Uint8Array());
      bench.assertIdle();
    });

    test(`${name}: an error of the host reaches the caller`, (t) => {
      const bench = new Bench({ contents: [HOST], mode, alignment });
      bench.host.fault = () => -EIO;
      t.is(bench.readNow(0, 4096), -EIO);
      t.is(bench.readNow(100, 4096), -EIO);
      bench.assertIdle();
    });

    test(`${name}: a short transfer is read on, as often as it takes`, (t) => {
      const bench = new Bench({ contents: [HOST], mode, alignment });
      bench.host.fault = (op) => (op.length > alignment ? alignment : null);
      sameBytes(t, bench.readNow(4096, 4096), IMAGE.slice(4096, 8192));
      sameBytes(t, bench.readNow(4000, 300), IMAGE.slice(4000, 4300));
      bench.assertIdle();
    });

    test(`${name}: an error behind a short transfer reaches the caller`, (t) => {
      const bench = new Bench({ contents: [HOST], mode, alignment });
      let calls = 0;
      bench.host.fault = () => (calls++ === 0 ? alignment : -EIO);
      t.is(bench.readNow(0, 8192), -EIO);
      bench.assertIdle();
    });

    test(`${name}: a host file that was cut from outside reads as zeros from there`, (t) => {
      const bench = new Bench({ contents: [HOST], mode, alignment });
      bench.host.files[0]!.resize(5000);
      const expected = new Uint8Array(8192);
      expected.set(HOST.slice(0, 5000));
      t.deepEqual(bench.readNow(0, 8192), expected);
      t.deepEqual(bench.readNow(8192, 4096), new Uint8Array(4096));
      bench.assertIdle();
    });
  }
}

test('a transfer and its reply go down as a pair, and are heard of once', (t) => {
  const bench = new Bench({ contents: [HOST], alignment: 512 });
  const read = bench.read(0, 4096);
  t.is(bench.pending(), 'read+reply');
  bench.stepAt(0);
  t.is(bench.pending(), '');
  t.is(bench.reply(read).error, 0);
  bench.assertIdle();
});

test('where the engine cannot link, the reply goes out after the transfer', (t) => {
  const bench = new Bench({ contents: [HOST], mode: 'plain' });
  bench.read(0, 4096);
  t.is(bench.pending(), 'read');
  bench.step('read');
  t.is(bench.pending(), 'reply');
  bench.step('reply');
  bench.assertIdle();
});

test('an unaligned read takes the blocks around it in one transfer', (t) => {
  const bench = new Bench({ contents: [HOST], alignment: 512 });
  bench.readNow(700, 1000);
  t.deepEqual(bench.host.files[0]!.log, ['read 512+1536']);
});

test('the largest read, 1 MiB from the last byte of a block, fits', (t) => {
  const content = new Uint8Array(pattern(2 << 20, 3));
  const bench = new Bench({ contents: [content], alignment: 4096 });
  const answer = bench.readNow(4095, 1 << 20) as Uint8Array;
  t.is(Buffer.compare(answer, content.subarray(4095, 4095 + (1 << 20))), 0);
  bench.assertIdle();
});

test('reads of one turn that complete in any order are each answered with their own bytes', (t) => {
  const bench = new Bench({ contents: [HOST], alignment: 512 });
  const offsets = Array.from({ length: 20 }, (_, i) => i * 900);
  const ids = bench.sendAll(offsets.map((offset) => [READ, DISK, ioBody(offset, 1024)] as const));
  for (let turn = 0; bench.host.pending.length > 0; turn++) {
    bench.stepAt((turn * 7) % bench.host.pending.length);
  }
  for (const [i, id] of ids.entries()) {
    sameBytes(t, bench.reply(id).payload, IMAGE.slice(offsets[i], offsets[i]! + 1024));
  }
  bench.assertIdle();
});

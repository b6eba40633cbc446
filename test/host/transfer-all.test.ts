import test from 'ava';
import type { Engine } from '../../src/host/engine.js';
import { runNow } from '../../src/host/sync-engine.js';
import { readAll, writeAll } from '../../src/host/transfer-all.js';

const EIO = 5;
const EINVAL = 22;

/** An engine that answers transfers with `results`, in turn; and the ranges that it was asked for. */
function answering(...results: number[]): { engine: Engine; asked: string[] } {
  const asked: string[] = [];
  const transfer = (_: number, file: number, address: number, length: number, offset: number) => {
    asked.push(`${file}: ${offset}+${length} at ${address}`);
    return results.shift()!;
  };
  const engine: Pick<Engine, 'read' | 'write'> = { read: transfer, write: transfer };
  return { engine: engine as Engine, asked };
}

test('a read that stops short goes on, for only no byte is the end of the file', (t) => {
  for (const [results, got] of [
    [[1024], 1024],
    [[512, 512], 1024],
    [[1, 1022, 1], 1024],
    [[512, 0], 512],
    [[0], 0],
    [[512, -EIO], -EIO],
    [[-EIO], -EIO],
    // Within a block of O_DIRECT.
    [[100, -EINVAL], 100],
    [[-EINVAL], -EINVAL],
  ] as const) {
    const { engine } = answering(...results);
    t.is(runNow(readAll(engine, 0, 3, 4096, 1024, 2048)), got, `${results}`);
  }
  const { engine, asked } = answering(512, 500, 0);
  runNow(readAll(engine, 0, 3, 4096, 1024, 2048));
  t.deepEqual(asked, ['3: 2048+1024 at 4096', '3: 2560+512 at 4608', '3: 3060+12 at 5108']);
});

test('a write that stops short goes on, and one of no byte is an error', (t) => {
  for (const [results, got] of [
    [[1024], 0],
    [[512, 512], 0],
    [[512, 0], -EIO],
    [[512, -EIO], -EIO],
  ] as const) {
    const { engine } = answering(...results);
    t.is(runNow(writeAll(engine, 0, 3, 4096, 1024, 2048)), got, `${results}`);
  }
});

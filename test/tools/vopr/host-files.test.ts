import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import * as abi from '../../../src/uring/abi.js';
import { ERRNO } from '../../../src/util/errno.js';
import { Random } from '../../../tools/exerciser/random.js';
import { Coverage } from '../../../tools/vopr/coverage.js';
import { KEEP_SIZE, ZERO_RANGE } from '../../../tools/vopr/host-allocate.js';
import { HostFiles } from '../../../tools/vopr/host-files.js';
import { type HostPlan, hostRandom } from '../../../tools/vopr/host-plan.js';
import { cutOff } from '../../../tools/vopr/power-cut.js';
import type { Entry } from '../../../tools/vopr/sim-ring.js';
import { World } from '../../../tools/vopr/world.js';
import { TMPFS } from '../../helpers/temp.js';

const BYTES = 4096;
/** The power fails so often. */
const CUTS = 20;
const PLAN: HostPlan = {
  ...{ seed: 0, faults: 0, failing: 0, forever: false, shorts: 0, stuck: 0, refusals: 0 },
  ...{ usualNs: 1000, longestNs: 1000, flushNs: 1000, plain: false, room: Infinity, alignment: 1 },
};
const NOTHING = { flags: 0, file: 0, address: 0, length: 0, offset: 0, opFlags: 0, tag: 0 };

/** An fallocate of a file of 4096 ones. */
interface Allocation {
  mode: number;
  offset: number;
  length: number;
}

/** What it has come to: its result, the file, and the file after power cuts that come when it was synced. */
function allocateOn(plan: HostPlan, { mode, offset, length }: Allocation) {
  const path = join(TMPFS, `sluice-host-files-${process.pid}`);
  writeFileSync(path, Buffer.alloc(BYTES, 1));
  const descriptor = openSync(path, 'r+');
  try {
    const world = new World();
    const randomOf = (operation: number): Random => hostRandom(plan, operation);
    const files = new HostFiles(world, plan, new Coverage(), randomOf, () => {});
    files.opened('a', [descriptor]);
    files.watch('a');
    const target = files.target(descriptor);
    const run = (entry: Entry): number => {
      let result: number | null = null;
      target.start(entry, (ended) => {
        result = ended;
      });
      while (result === null && world.advance(Infinity));
      return result!;
    };
    const fallocate = { opcode: abi.OP_FALLOCATE, length: mode, address: length, offset };
    const result = run({ ...NOTHING, ...fallocate });
    run({ ...NOTHING, opcode: abi.OP_FSYNC });
    const record = files.recordOf('a');
    const now = world.tick();
    const cuts = Array.from({ length: CUTS }, (_, seed) =>
      Buffer.from(cutOff(record.before!, record, 0, now, new Random(seed, 0))),
    );
    return { result, file: readFileSync(path), cuts };
  } finally {
    closeSync(descriptor);
    rmSync(path);
  }
}

test('a host without room makes no file longer, whatever the power does then', (t) => {
  const longer = { mode: 0, offset: 8191, length: 1 };
  const { result, file, cuts } = allocateOn({ ...PLAN, room: 0 }, longer);
  t.is(result, -ERRNO.ENOSPC);
  t.is(file.length, BYTES);
  for (const cut of cuts) t.true(cut.equals(file));
});

for (const [name, allocation] of Object.entries({
  'makes a file longer': { mode: 0, offset: BYTES, length: BYTES },
  'zeroes a range': { mode: ZERO_RANGE | KEEP_SIZE, offset: 0, length: BYTES },
})) {
  test(`of an fallocate that ${name} and fails a part may be made, which alone gets to the disk`, (t) => {
    const sizes = new Set<number>();
    for (let seed = 0; seed < 50; seed++) {
      const { result, file, cuts } = allocateOn({ ...PLAN, seed, failing: 1 }, allocation);
      t.true(result < 0);
      const ones = file.reduce((sum, byte) => sum + byte, 0);
      sizes.add(file.length - ones);
      for (const cut of cuts) {
        // It has failed, so the disk may lack what the file shows, and has nothing else.
        t.true(cut.length <= file.length);
        for (const [at, byte] of cut.entries()) {
          if (byte !== file[at] && byte !== 1) return t.fail(`seed ${seed}, byte ${at}: ${byte}`);
        }
      }
    }
    t.true(sizes.has(0) && sizes.size > 4, [...sizes].join(' '));
  });
}

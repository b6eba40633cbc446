import test from 'ava';
import { pattern } from '../helpers/temp.js';
import { Bench } from './bench.js';

const EOPNOTSUPP = 95;
const HOST = new Uint8Array(pattern(20000, 7));

test('a host without fallocate makes only those files longer that no write does', (t) => {
  const grow = (growable: boolean): { result: number; log: string[]; size: number } => {
    const bench = new Bench({ contents: [HOST], config: { growable } });
    bench.host.fault = (op) => (op.kind === 'allocate' ? -EOPNOTSUPP : null);
    const { asked, own } = bench.plane;
    const [disk] = bench.disks;
    let result = 1;
    own.start(
      disk!.image,
      (request) => asked.resizeImage(request, disk!, 40960, true),
      (found) => {
        result = found;
      },
    );
    bench.run();
    return { result, log: bench.host.files[0]!.log, size: bench.size };
  };
  t.deepEqual(grow(true), { result: -EOPNOTSUPP, log: ['allocate 40959+1'], size: 20480 });
  t.deepEqual(grow(false), { result: 0, log: ['allocate 40959+1', 'resize 40960+0'], size: 40960 });
});

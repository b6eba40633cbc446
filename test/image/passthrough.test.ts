import test from 'ava';
import { passthroughProblem } from '../../src/image/passthrough.js';

for (const [what, file, format, says] of [
  ['a raw file in whole sectors', { blockDevice: false, size: 1024 }, 'raw', null],
  ['an empty one', { blockDevice: false, size: 0 }, 'raw', null],
  ['an odd size', { blockDevice: false, size: 1023 }, 'raw', /1023 bytes, is no multiple of 512/],
  ['a block device', { blockDevice: true, size: 1024 }, 'raw', /^it is a block device: /],
  ['qcow2', { blockDevice: false, size: 1024 }, 'qcow2', /^it is qcow2: only the bytes of a raw/],
] as const) {
  test(`passthrough of ${what}: ${says === null ? 'yes' : 'no'}`, (t) => {
    const problem = passthroughProblem(file, format);
    if (says === null) t.is(problem, null);
    else t.regex(problem!, says);
  });
}

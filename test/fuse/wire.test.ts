import test from 'ava';
import { clear, getU64, setU64 } from '../../src/fuse/wire.js';
import { hex } from './exchange.js';

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer);
}

for (const [bytes, value] of [
  ['00 00 00 00 00 00 00 00', 0],
  ['01 00 00 00 00 00 00 00', 1],
  ['ff ff ff ff 00 00 00 00', 4294967295],
  ['00 00 00 00 01 00 00 00', 4294967296],
  ['88 77 66 55 44 33 02 00', 619_318_536_992_648],
  ['ff ff ff ff ff ff 1f 00', 9007199254740991],
] as const) {
  test(`the field ${bytes} is the number ${value}, read and written`, (t) => {
    t.is(getU64(viewOf(hex(`f ${bytes}`)), 0), value);
    const written = viewOf(new Uint8Array(8).fill(0xee));
    setU64(written, 0, value);
    t.deepEqual(new Uint8Array(written.buffer), hex(`f ${bytes}`));
  });
}

for (const bytes of [
  '00 00 00 00 00 00 20 00', // 2^53
  '01 00 00 00 00 00 20 00',
  'ff ff ff ff ff ff ff 7f',
  '00 00 00 00 00 00 00 80', // -2^63
  'ff ff ff ff ff ff ff ff', // -1
]) {
  test(`the field ${bytes}, above 2^53 - 1, reads as 2^53 - 1`, (t) => {
    t.is(getU64(viewOf(hex(`f ${bytes}`)), 0), 9007199254740991);
  });
}

test('clearing takes the bytes asked for and none beside them', (t) => {
  const view = viewOf(new Uint8Array(32).fill(0xee));
  clear(view, 8, 16);
  t.deepEqual(new Uint8Array(view.buffer), hex('before ee*8', 'cleared 00*16', 'behind ee*8'));
});

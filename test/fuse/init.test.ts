import test from 'ava';
import { BackingFiles } from '../../src/fuse/backing-files.js';
import { Exchange, hex } from './exchange.js';

const INIT = 26;
const EPROTO = 71;
const EIO = 5;

/** The beginning and end of every successful reply. */
const OUR_VERSION = ['major 07000000', 'minor 2d000000'];
const SIZES = [
  'max_background ffff',
  'congestion ffbf', // three quarters
  'max_write 00001000', // 1 MiB
  'time_gran 01000000',
  'max_pages 0001', // 256
  'map_alignment 0000',
];

function init(...fields: string[]): Uint8Array {
  return hex(...fields);
}

for (const [version, bytes] of [
  ['7.27', ['major 07000000', 'minor 1b000000']],
  ['7.0', ['major 07000000', 'minor 00000000']],
  ['6.99', ['major 06000000', 'minor 63000000']],
] as const) {
  test(`a kernel that speaks ${version} is refused with EPROTO`, (t) => {
    const exchange = new Exchange();
    const request = init(...bytes, 'readahead 00000200', 'flags ffffffff', 'rest 00*48');
    t.is(exchange.send(INIT, 0, request), -EPROTO);
    t.false(exchange.accepted);
  });
}

test('a newer major version gets ours and nothing agreed, to ask again', (t) => {
  const exchange = new Exchange();
  const request = init(
    'major 08000000',
    'minor 00000000',
    'readahead 00000200',
    'flags ffffffff',
    'rest 00*48',
  );
  t.deepEqual(exchange.send(INIT, 0, request), hex(...OUR_VERSION, 'rest 00*56'));
  t.false(exchange.accepted);
  t.is(exchange.dispatcher.agreed.minor, 0);
});

test('of what a 7.45 kernel offers we take what we use, and tell our sizes', (t) => {
  const exchange = new Exchange();
  const reply = exchange.send(
    INIT,
    0,
    init(
      'major 07000000',
      'minor 2d000000',
      'readahead 00000200',
      'flags ffffff7f',
      'flags2 ffffffff',
      'unused 00*44',
    ),
  );
  t.deepEqual(
    reply,
    hex(
      ...OUR_VERSION,
      'max_readahead 00000004',
      'flags 29806440', // bits 0, 3, 5, 15, 18, 21, 22, 30
      ...SIZES,
      'flags2 10000000', // bit 36
      'rest 00*28',
    ),
  );
  t.true(exchange.accepted);
  t.is(exchange.dispatcher.agreed.minor, 45);
});

test('a kernel newer than 7.45 is spoken to in 7.45', (t) => {
  const exchange = new Exchange();
  const request = init(
    'major 07000000',
    'minor 63000000',
    'readahead 00000200',
    'flags 00000000',
    'rest 00*48',
  );
  const reply = exchange.send(INIT, 0, request) as Uint8Array;
  t.deepEqual(reply.subarray(0, 8), hex(...OUR_VERSION));
  t.is(exchange.dispatcher.agreed.minor, 45);
});

test('a flag that was not offered is not taken', (t) => {
  const exchange = new Exchange();
  // ASYNC_READ and ASYNC_DIO only; no INIT_EXT, so the second word means nothing.
  const reply = exchange.send(
    INIT,
    0,
    init(
      'major 07000000',
      'minor 1c000000',
      'readahead 00000100',
      'flags 01800000',
      'flags2 ffffffff',
      'unused 00*44',
    ),
  );
  t.deepEqual(
    reply,
    hex(
      ...OUR_VERSION,
      'readahead 00000004',
      'flags 01800000',
      ...SIZES,
      'flags2 00000000',
      'rest 00*28',
    ),
  );
  t.is(exchange.dispatcher.agreed.minor, 28);
});

test('INIT of 16 bytes, from before 7.36, is answered', (t) => {
  const request = init('major 07000000', 'minor 1c000000', 'readahead 00000100', 'flags 20000000');
  t.deepEqual(
    new Exchange().send(INIT, 0, request),
    hex(
      ...OUR_VERSION,
      'readahead 00000004',
      'flags 20000000',
      ...SIZES,
      'flags2 00000000',
      'rest 00*28',
    ),
  );
});

test('INIT of 16 bytes has no second word of flags, whatever lies behind it', (t) => {
  const exchange = new Exchange();
  const request = init('major 07000000', 'minor 24000000', 'readahead 00000100', 'flags 00000040');
  const reply = exchange.send(INIT, 0, request) as Uint8Array;
  t.deepEqual(reply.subarray(32, 36), hex('flags2 00000000'));
});

test('INIT of 15 bytes is refused', (t) => {
  t.is(new Exchange().send(INIT, 0, hex('x 07*15')), -EIO);
});

test('with a disk to pass through we ask for passthrough, over one more file system below', (t) => {
  const backings = new BackingFiles([{ name: 'web', backing: 5 }]);
  const exchange = new Exchange(false, false, backings);
  const version = ['major 07000000', 'minor 2d000000', 'readahead 00000200'];
  const request = init(...version, 'flags 00000040', 'flags2 ffffffff', 'unused 00*44');
  const reply = exchange.send(INIT, 0, request) as Uint8Array;
  t.deepEqual(reply.subarray(32, 40), hex('flags2 30000000', 'max_stack_depth 02000000'));
});

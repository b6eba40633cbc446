import test from 'ava';
import { encodeRequest, requestBytes } from '../../src/nbd/requests.js';

function hex(extended: boolean, ...request: [number, number, number, number, number, number]) {
  const bytes = Buffer.alloc(requestBytes(extended));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  encodeRequest(view, 0, extended, ...request);
  return bytes.toString('hex');
}

test('a request has the bytes of the protocol', (t) => {
  // magic, flags, command, cookie, offset, length
  t.is(
    hex(false, 0, 0, 7, 9, 0x1_0000_1000, 4096),
    '25609513' + '0000' + '0000' + '0000000900000007' + '0000000100001000' + '00001000',
  );
  t.is(
    hex(false, 6, 3, 0xffff, 0xffffffff, 512, 0xfffffe00),
    '25609513' + '0003' + '0006' + 'ffffffff0000ffff' + '0000000000000200' + 'fffffe00',
  );
});

test('an extended request has 64 bits of length, and says that a write has a payload', (t) => {
  t.is(
    hex(true, 7, 0, 1, 2, 0, 0x3_0000_0000),
    '21e41c71' + '0000' + '0007' + '0000000200000001' + '0000000000000000' + '0000000300000000',
  );
  t.is(
    hex(true, 1, 1, 1, 2, 8, 16),
    '21e41c71' + '0021' + '0001' + '0000000200000001' + '0000000000000008' + '0000000000000010',
  );
});

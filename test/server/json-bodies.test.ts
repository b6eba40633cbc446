import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import test from 'ava';
import { Bodies } from '../../src/server/json-bodies.js';

const read = (text: string): Promise<unknown> =>
  new Bodies().of(Readable.from([Buffer.from(text)]) as IncomingMessage, 'settings');

test('a body is JSON of its schema, and not too long', async (t) => {
  t.deepEqual(await read('{"weight": "7"}'), { weight: '7' });
  t.deepEqual(await read(''), {});
  await t.throwsAsync(read('{'), { message: /^the body is not JSON: / });
  await t.throwsAsync(read('{"wait": 7}'), { message: /there is no key "wait"/ });
  const long = `{"weight": "${'7'.repeat(256 << 10)}"}`;
  await t.throwsAsync(read(long), { message: /^the body is longer than 262144 bytes/ });
});

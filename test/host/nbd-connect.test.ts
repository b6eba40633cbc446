import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import test, { type ExecutionContext } from 'ava';
import { changeOf, connect } from '../../src/host/nbd-connect.js';
import { parseNbdUri } from '../../src/nbd/uri.js';
import type { SluiceError } from '../../src/util/errors.js';
import { AGREED, FLUSH } from '../helpers/nbd-rig.js';
import { NbdServer } from '../helpers/nbd-server.js';
import { requires } from '../helpers/requires.js';
import { tempFolder } from '../helpers/temp.js';

/** A server that says some bytes to each client and nothing else; in a thread, for clients wait. */
async function saying(t: ExecutionContext, bytes: string, ends: boolean): Promise<string> {
  const path = join(tempFolder(t), 'nbd.sock');
  const program = `
    const { parentPort, workerData } = require('node:worker_threads');
    require('node:net').createServer((socket) => {
      socket.on('error', () => {});
      const bytes = Buffer.from(workerData.bytes, 'hex');
      if (workerData.ends) socket.end(bytes);
      else socket.write(bytes);
    }).listen(workerData.path, () => parentPort.postMessage(0));`;
  const worker = new Worker(program, { eval: true, workerData: { path, bytes, ends } });
  t.teardown(() => worker.terminate());
  await once(worker, 'message');
  return `nbd+unix:///x?socket=${path}`;
}

/** A server that answers may take its time on a busy machine; one that does not is given up soon. */
const ANSWER_MS = 60_000;
const SILENCE_MS = 500;

function refuses(t: ExecutionContext, uri: string, says: RegExp, errno: string): void {
  const limitMs = errno === 'ETIMEDOUT' ? SILENCE_MS : ANSWER_MS;
  const error = t.throws(() => connect(parseNbdUri(uri), limitMs)) as SluiceError;
  t.regex(error.message, says);
  t.is(error.errno, errno);
}

test('where no server listens is told', (t) => {
  refuses(t, 'nbd+unix:///?socket=/nowhere/s', /no such socket: no server listens/, 'ENOENT');
  refuses(t, 'nbd://127.0.0.1:1/', /no server listens there/, 'ECONNREFUSED');
  refuses(t, 'nbd://no.such.name.invalid/', /no\.such\.name\.invalid: /, 'EHOSTUNREACH');
});

test('servers that end, hang or speak another protocol are refused', async (t) => {
  const GREETING = '4e42444d41474943' + '49484156454f5054' + '0003';
  refuses(t, await saying(t, '', true), /has closed the connection/, 'ECONNRESET');
  refuses(
    t,
    await saying(t, GREETING, true),
    /has closed the connection|ECONNRESET|EPIPE/,
    'ECONNRESET',
  );
  refuses(t, await saying(t, GREETING, false), /the server does not answer/, 'ETIMEDOUT');
  refuses(t, await saying(t, '', false), /the server does not answer/, 'ETIMEDOUT');
  refuses(
    t,
    await saying(t, Buffer.from('HTTP/1.1 400 Bad Request').toString('hex'), false),
    /no NBD server/,
    'EPROTO',
  );
});

requires('nbdkit')('servers tell what they can', (t) => {
  const { agreed } = connect(parseNbdUri(NbdServer.nbdkit(t, 'memory', '1M').uri), 60_000);
  const { size, structured, tellsHoles } = agreed;
  t.deepEqual([size, structured, tellsHoles], [1 << 20, true, true]);
  const old = connect(parseNbdUri(NbdServer.nbdkit(t, '--no-sr', 'memory', '1M').uri), 60_000);
  t.false(old.agreed.structured);
  const oldest = NbdServer.nbdkit(t, '-o', 'memory', '1M');
  t.throws(() => connect(parseNbdUri(oldest.uri), 60_000), { message: /older protocol/ });
});

test('an export that is less than it was is not taken', (t) => {
  const change = (now: object, readOnly = false) =>
    changeOf({ agreed: AGREED, readOnly }, { ...AGREED, ...now });
  t.is(change({}), null);
  t.is(change({ size: AGREED.size + 1 }), null);
  t.regex(change({ size: 512 })!, /has shrunk from 262144 to 512 bytes/);
  t.regex(change({ minimumBlock: 512 })!, /blocks have 512 bytes now/);
  t.regex(change({ flags: AGREED.flags | 2 })!, /nobody may write the export now/);
  t.regex(change({ flags: AGREED.flags & ~FLUSH })!, /cannot flush now/);
  t.is(change({ flags: 2 }, true), null);
});

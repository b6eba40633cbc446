import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Redis } from 'ioredis';
import { parseStoreUrl } from '../../src/lease/address.js';
import type { Fault } from '../../src/lease/figures.js';
import type { Report } from '../../src/lease/lease.js';
import { NOT_SHARED } from '../../src/lease/rates.js';
import { replyOf, Store, StoreError } from '../../src/lease/store.js';
import { RATES } from '../../src/throttle/limits.js';
import { requires } from '../helpers/requires.js';
import { StoreServer } from '../helpers/store-server.js';
import { tempFolder } from '../helpers/temp.js';

const storeTest = requires('store');
const none = RATES.map(() => NOT_SHARED);
const REPORT: Omit<Report, 'seq'> = {
  ...{ id: 'me', weight: 100, leaves: false },
  ...{ limits: none, wants: none, held: none },
};

/** Reports until there is an answer, or an error that is not only a connection that is not there yet. */
async function answerOf(t: ExecutionContext, url: string): Promise<string> {
  const target = parseStoreUrl(url);
  const store = Store.open(target);
  t.teardown(() => store.close());
  for (let seq = 1; ; seq++) {
    try {
      return (await store.report(target.key, { ...REPORT, seq })).state;
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      if (error.fault !== 'lost') return `${error.fault}: ${error.message}`;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

async function started(t: ExecutionContext, ...words: string[]): Promise<StoreServer> {
  const server = new StoreServer(t, ...words);
  await server.start();
  return server;
}

const GRANTED = [1, 2.5, 3, -1, -1, 0.125];

test('an answer of the script is read, and no other is taken for one', (t) => {
  const granted = `granted 3 ${GRANTED.join(' ')}`;
  t.deepEqual(replyOf(granted), { state: 'granted', peers: 3, grants: GRANTED });
  t.deepEqual(replyOf('stale'), { state: 'stale', peers: 0, grants: [] });
  for (const text of [
    '',
    'OK',
    'constructor',
    'granted',
    'granted 3',
    'granted x 1 2 3 4 5 6',
    'granted 3 1 2 3 4 5',
    'granted 3 1 2 3 4 5 nan',
    'granted 3 1 2 3 4 5 6 7',
    'stale 1 2',
  ]) {
    t.throws(() => replyOf(text), { instanceOf: StoreError, message: /^no answer of the script/ });
  }
});

/** The first byte of a handshake of TLS. */
const HANDSHAKE = 0x16;

for (const kind of ['', '+cluster', '+sentinel']) {
  test(`valkeys${kind}: a server hears nothing before TLS`, async (t) => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const query = kind === '+sentinel' ? '?master=m' : '';
    const store = Store.open(parseStoreUrl(`valkeys${kind}://127.0.0.1:${port}/g${query}`));
    const [client] = (await once(server, 'connection')) as [Socket];
    const [bytes] = (await once(client, 'data')) as [Buffer];
    store.close();
    client.destroy();
    server.close();
    t.is(bytes[0], HANDSHAKE);
  });
}

storeTest('a store that is new learns', async (t) => {
  const server = await started(t);
  t.is(await answerOf(t, `valkey+unix:///g?socket=${server.socket}`), 'learning');
});

storeTest(
  'a password comes from a file; without it, or with another, the sentence says so',
  async (t) => {
    const server = await started(t, '--requirepass', 'geheim');
    const url = `valkey+unix:///g?socket=${server.socket}`;
    const file = join(server.folder, 'password');
    writeFileSync(file, 'geheim\n');
    t.is(await answerOf(t, `${url}&password-file=${file}`), 'learning');
    writeFileSync(file, 'other\n');
    const denied = 'denied: the user or password is wrong';
    t.is(await answerOf(t, `${url}&password-file=${file}`), denied);
    t.is(await answerOf(t, url), denied);
  },
);

storeTest('the rights that the documentation names are enough', async (t) => {
  const text = readFileSync('docs/shared-groups.md', 'utf8');
  const [, rights] = /ACL SETUSER sluice on >PASSWORD (.*)/.exec(text)!;
  const server = await started(t, ...`--user sluice on >pw ${rights}`.split(' '));
  const file = join(server.folder, 'password');
  writeFileSync(file, 'pw');
  const url = `valkey+unix://sluice@/g?socket=${server.socket}&password-file=${file}`;
  t.is(await answerOf(t, url), 'learning');
});

storeTest('a user who may not run scripts is told so', async (t) => {
  const server = await started(
    t,
    ...'--user sluice on >pw ~sluice:* +@read +@connection'.split(' '),
  );
  const file = join(server.folder, 'password');
  writeFileSync(file, 'pw');
  const url = `valkey+unix://sluice@/g?socket=${server.socket}&password-file=${file}`;
  t.regex(await answerOf(t, url), /^denied: the user may not run scripts/);
});

storeTest('a key of another type, and a file that is not there', async (t) => {
  const server = await started(t);
  const client = new Redis(server.socket);
  await client.set('sluice:{g}', 'x');
  client.disconnect();
  const url = `valkey+unix:///g?socket=${server.socket}`;
  t.regex(await answerOf(t, url), /^type: the key of this name has something else in it/);
  const missing = parseStoreUrl(`${url}&password-file=/nowhere/pw`);
  t.throws(() => Store.open(missing), {
    message: /password-file=\/nowhere\/pw cannot be read/,
  });
});

storeTest('a store that is full and a replica take no report, the first neither', async (t) => {
  const full = await started(t, '--maxmemory', '1');
  const url = `valkey+unix:///g?socket=`;
  t.is(await answerOf(t, url + full.socket), 'refused: its memory is full; see its maxmemory');
  // A server of this address is never there.
  const replica = await started(t, '--replicaof', '127.0.0.1', '1');
  const sentence = 'it is a replica; name its master, or write valkey+sentinel://';
  t.is(await answerOf(t, url + replica.socket), `refused: ${sentence}`);
});

/** Errors of servers that are not here for a test, as they write them. */
const ERRORS = [
  ['MOVED 7616 127.0.0.1:17012', 'it is a server of a cluster; write valkey+cluster://'],
  [
    'NOREPLICAS Not enough good replicas to write.',
    'it has fewer replicas than its min-replicas-to-write',
  ],
  [
    "ERR unknown command 'eval', with args",
    'it runs no scripts; for a Sentinel write valkey+sentinel://',
  ],
  ['ERR of another kind', 'ERR of another kind'],
] as const;

for (const [error, sentence] of ERRORS) {
  test(`a store that answers "${error.slice(0, 16)}" gives a sentence`, async (t) => {
    const socket = join(tempFolder(t), 's');
    const server = createServer((client) => {
      client.on('data', (bytes) => {
        // One answer for each command of the message.
        for (const [, name] of `${bytes}`.matchAll(/\*[0-9]+\r\n\$[0-9]+\r\n(\w+)/g)) {
          client.write(/^eval/i.test(name!) ? `-${error}\r\n` : '+OK\r\n');
        }
      });
      client.on('error', () => {});
    });
    server.listen(socket);
    t.teardown(() => server.close());
    t.is(await answerOf(t, `valkey+unix:///g?socket=${socket}`), `refused: ${sentence}`);
  });
}

storeTest('a store that is gone is lost, and one that comes back is found', async (t) => {
  const server = await started(t);
  const target = parseStoreUrl(`valkey+unix:///g?socket=${server.socket}`);
  const store = Store.open(target);
  t.teardown(() => store.close());
  let seq = 0;
  const until = async (wanted: 'learning' | Fault): Promise<void> => {
    for (let state = ''; state !== wanted; ) {
      state = await store.report(target.key, { ...REPORT, seq: ++seq }).then(
        (reply) => reply.state,
        (error: StoreError) => error.fault,
      );
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  await until('learning');
  await server.kill();
  await until('lost');
  await server.start();
  await until('learning');
  t.pass();
});

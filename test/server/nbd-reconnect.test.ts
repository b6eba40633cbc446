import { rmSync } from 'node:fs';
import { connect } from '../../src/host/nbd-connect.js';
import type { NbdNews } from '../../src/host/nbd-export.js';
import { parseNbdUri } from '../../src/nbd/uri.js';
import type { Log } from '../../src/server/log.js';
import { NbdReconnect } from '../../src/server/nbd-reconnect.js';
import { close } from '../../src/sys/libc.js';
import { NbdServer } from '../helpers/nbd-server.js';
import { requires } from '../helpers/requires.js';

requires('nbdkit')('a server is waited for, given up, and found again', async (t) => {
  const server = NbdServer.nbdkit(t, 'memory', '1M');
  const target = parseNbdUri(server.uri);
  const { descriptor, agreed } = connect(target, 60_000);
  close(descriptor);
  await server.kill();
  rmSync(server.socket);
  const lines: string[] = [];
  const note = (text: string): void => void lines.push(text.replace(/\d+\.\d+ s$/, 'N s'));
  const log = { info: note, warn: note, error: note, progress: note } as unknown as Log;
  let told: (news: NbdNews) => void = () => {};
  const next = () =>
    new Promise<NbdNews>((resolve) => {
      told = resolve;
    });
  const reconnect = new NbdReconnect(log, (news) => told(news));
  const one = { id: 5, target, agreed, readOnly: false, descriptors: [], connections: 2 };
  // The test has to stay alive for threads and timers that do not keep it so.
  const alive = setInterval(() => {}, 1000);
  t.teardown(() => clearInterval(alive));
  reconnect.lost({ ...one, timeoutMs: 100 }, 'it is gone');
  t.deepEqual(await next(), { kind: 'nbd-failed', id: 5 });
  const found = next();
  server.start();
  const news = await found;
  if (news.kind !== 'nbd-connected') throw new Error(news.kind);
  t.is(news.descriptors.length, 2);
  t.deepEqual([news.id, news.agreed], [5, agreed]);
  news.descriptors.map(close);
  const { uri } = server;
  t.deepEqual(lines, [
    `${uri}: it is gone; connecting again`,
    `${uri}: no connection for 0.1 s: requests fail with EIO until there is one`,
    `${uri}: connected again after N s`,
  ]);
  // A connection that is lost at once has brought nothing: no line for each, and no new time.
  reconnect.lost({ ...one, timeoutMs: 60_000 }, 'it is gone');
  const again = await next();
  t.is(again.kind, 'nbd-connected');
  if (again.kind === 'nbd-connected') again.descriptors.map(close);
  t.is(lines.length, 4);
});

requires('nbdkit')('an export that has shrunk is refused', async (t) => {
  const server = NbdServer.nbdkit(t, 'memory', '1M');
  const target = parseNbdUri(server.uri);
  const { descriptor, agreed } = connect(target, 60_000);
  close(descriptor);
  const shrunk = `${server.uri}: the export has shrunk from 2097152 to 1048576 bytes`;
  let told = (): void => {};
  const isTold = new Promise<void>((resolve) => {
    told = resolve;
  });
  const note = (text: string): void => {
    if (text === shrunk) told();
  };
  const log = { info: note, warn: note, error: note, progress: note } as unknown as Log;
  const alive = setInterval(() => {}, 1000);
  t.teardown(() => clearInterval(alive));
  const larger = { ...agreed, size: 2 << 20 };
  const news: string[] = [];
  await new Promise<void>((resolve) => {
    const own = { id: 1, target, readOnly: false, descriptors: [], connections: 1 };
    const one = { ...own, agreed: larger, timeoutMs: 100 };
    new NbdReconnect(log, ({ kind }) => {
      news.push(kind);
      resolve();
    }).lost(one, 'it is gone');
  });
  await isTold;
  t.deepEqual(news, ['nbd-failed']);
});

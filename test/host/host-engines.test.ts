import test from 'ava';
import { HostEngines } from '../../src/host/host-engines.js';

/** Notes the calls of an engine. */
function noting(name: string, calls: string[]) {
  const call =
    (what: string) =>
    (...words: unknown[]): number => {
      calls.push(`${name} ${what} ${words.join(' ')}`);
      return 7;
    };
  return {
    ...{ add: () => 3, remove: call('remove'), links: () => true },
    ...{ read: call('read'), write: call('write'), flush: call('flush') },
    ...{ allocate: call('allocate'), resize: call('resize'), seek: call('seek') },
    ...{ setTimes: call('setTimes'), status: call('status') },
  };
}

const QUIET = { requests: 8, completed: () => {}, warn: () => {} };

test('each file goes to its engine, with the handle that this one gave', (t) => {
  const calls: string[] = [];
  let connected = 0;
  const engines = new HostEngines(noting('files', calls), {
    ...QUIET,
    connect: () => {
      connected++;
      return noting('exports', calls) as never;
    },
  });
  const file = engines.add({ descriptor: 1, inMemory: false });
  const remote = engines.add({ descriptor: -1, inMemory: false, nbd: {} as never });
  t.is(file, 3);
  t.is(connected, 1);
  t.not(remote, file);
  t.true(engines.links(file, 1));
  t.false(engines.links(remote, 1));
  const times = new Uint8Array(1);
  for (const handle of [file, remote]) {
    t.is(engines.read(1, handle, 2, 3, 4, false), 7);
    engines.write(1, handle, 2, 3, 4, false);
    engines.flush(1, handle, true);
    engines.allocate(1, handle, 2, 3, 4);
    engines.resize(1, handle, 2);
    engines.seek(1, handle, 2, 3);
    engines.setTimes(1, handle, times);
    engines.status(1, handle, 's' as never);
    engines.remove(handle);
  }
  const of = (name: string) => [
    `${name} read 1 3 2 3 4 false`,
    `${name} write 1 3 2 3 4 false`,
    `${name} flush 1 3 true`,
    `${name} allocate 1 3 2 3 4`,
    `${name} resize 1 3 2`,
    `${name} seek 1 3 2 3`,
    `${name} setTimes 1 3 0`,
    `${name} status 1 3 s`,
    `${name} remove 3`,
  ];
  t.deepEqual(calls, [...of('files'), ...of('exports')]);
});

test('without an export nothing is connected, and nothing is to be sent', (t) => {
  const connect = () => t.fail() as never;
  const engines = new HostEngines(noting('files', []), { ...QUIET, connect });
  engines.add({ descriptor: 1, inMemory: false });
  engines.unplugExports();
  engines.removeExports();
  t.is(engines.exportsUnderWay, 0);
});

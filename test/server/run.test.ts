import test from 'ava';
import type { Log } from '../../src/server/log.js';
import { runDaemon } from '../../src/server/run.js';
import type { EndReason, Served } from '../../src/server/served.js';
import { SluiceError } from '../../src/util/errors.js';
import { mountConfig } from '../helpers/mount-config.js';

// These tests send signals to their own process, so they run one after the other.

const CONFIG = mountConfig({
  mountpoint: '/mnt/s',
  images: [
    { name: 'disk', path: '/srv/disk.img', format: 'auto', backingFormats: [], snapshot: null },
  ],
});

function makeLog(): { log: Log; lines: string[] } {
  const lines: string[] = [];
  const add = (text: string) => void lines.push(text);
  return { lines, log: { info: add, warn: add, error: add } };
}

/** A mount that ends when told to, or after so many calls of stop. */
function makeServed(stopsToEnd: number) {
  const stops: boolean[] = [];
  let end: (reason: EndReason) => void = () => {};
  const ended = new Promise<EndReason>((resolve) => {
    end = resolve;
  });
  const served: Served = {
    ended,
    report: () => {},
    stop: async (atOnce) => {
      stops.push(atOnce);
      if (stops.length === stopsToEnd) end({ kind: 'unmounted', unflushed: [] });
    },
  };
  return { served, stops, end };
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((keep) => {
    resolve = keep;
  });
  return { promise, resolve };
}

/** Sends a signal and waits until the handlers have run. */
async function signal(name: NodeJS.Signals): Promise<void> {
  const seen = new Promise((resolve) => process.once(name, resolve));
  // Waiting for a signal does not keep a process alive.
  const alive = setInterval(() => {}, 1000);
  process.kill(process.pid, name);
  await seen;
  clearInterval(alive);
}

test.serial('readiness is reported when the mount is served, and an unmount ends it', async (t) => {
  const { served, end, stops } = makeServed(1);
  const { log, lines } = makeLog();
  let ready = 0;
  const running = runDaemon(
    CONFIG,
    log,
    async () => served,
    () => {
      ready += 1;
      end({ kind: 'unmounted', unflushed: [] });
    },
  );
  await running;
  t.is(ready, 1);
  t.deepEqual(stops, []);
  t.deepEqual(lines, ['mounted /srv/disk.img', 'unmounted']);
});

test.serial('the first signal stops in order, the second at once', async (t) => {
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    const { served, stops } = makeServed(2);
    const ready = deferred<void>();
    const running = runDaemon(
      CONFIG,
      makeLog().log,
      async () => served,
      () => ready.resolve(),
    );
    await ready.promise;
    await signal(name);
    t.deepEqual(stops, [false]);
    await signal(name);
    t.deepEqual(stops, [false, true]);
    await running;
  }
});

test.serial('in the background the terminal may hang up', async (t) => {
  const { served, stops, end } = makeServed(1);
  const ready = deferred<void>();
  const running = runDaemon(
    CONFIG,
    makeLog().log,
    async () => served,
    () => ready.resolve(),
  );
  await ready.promise;
  await signal('SIGHUP');
  t.deepEqual(stops, []);
  end({ kind: 'unmounted', unflushed: [] });
  await running;
});

test.serial('in the foreground a hang-up is a request to stop', async (t) => {
  const { served, stops } = makeServed(1);
  const ready = deferred<void>();
  const config = { ...CONFIG, foreground: true };
  const running = runDaemon(
    config,
    makeLog().log,
    async () => served,
    () => ready.resolve(),
  );
  await ready.promise;
  await signal('SIGHUP');
  t.deepEqual(stops, [false]);
  await running;
});

test.serial('a signal during start-up ends the mount, and it is never called ready', async (t) => {
  const { served, stops } = makeServed(1);
  const serving = deferred<Served>();
  const running = runDaemon(
    CONFIG,
    makeLog().log,
    () => serving.promise,
    () => t.fail(),
  );
  await signal('SIGTERM');
  serving.resolve(served);
  const error = await t.throwsAsync(running, { instanceOf: SluiceError, message: 'interrupted' });
  t.is(error?.exitCode, 1);
  t.deepEqual(stops, [false]);
});

test.serial('a crash of the data plane is exit code 5 and says what happened', async (t) => {
  const { served, end } = makeServed(1);
  const { log, lines } = makeLog();
  const running = runDaemon(
    CONFIG,
    log,
    async () => served,
    () => {
      end({ kind: 'crashed', message: 'assertion failed: slot is free' });
    },
  );
  const error = await t.throwsAsync(running, {
    instanceOf: SluiceError,
    message: 'the daemon died: assertion failed: slot is free; the mount has been aborted',
  });
  t.is(error?.exitCode, 5);
  t.is(lines.at(-1), 'assertion failed: slot is free');
});

test.serial('what serve throws is passed on, and the signal handlers are gone', async (t) => {
  const before = process.listenerCount('SIGTERM');
  const refused = new SluiceError('disk.img: locked', 'EBUSY', 3);
  const running = runDaemon(
    CONFIG,
    makeLog().log,
    async () => Promise.reject(refused),
    () => {},
  );
  t.is(await t.throwsAsync(running), refused);
  t.is(process.listenerCount('SIGTERM'), before);
});

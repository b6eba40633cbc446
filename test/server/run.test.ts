import test from 'ava';
import { FigureReader } from '../../src/control/figures.js';
import type { Event } from '../../src/server/lifecycle.js';
import type { Log } from '../../src/server/log.js';
import { notYet } from '../../src/server/plane-thread.js';
import { runDaemon, type Serve, type Session, type Start } from '../../src/server/run.js';
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

/** A mount that notes what is done to it. What is not named in `answered` never ends. */
function makeSession(answered = 'unmount drain flush close') {
  const steps: string[] = [];
  const closed: boolean[] = [];
  let start: Start | null = null;
  const answers = (step: string): boolean => {
    steps.push(step);
    return answered.includes(step);
  };
  const call = async (step: string): Promise<void> => {
    if (!answers(step)) await new Promise(() => {});
  };
  const tell = (event: Event): void => start!.tell(event);
  const session: Session = {
    notice: undefined,
    plane: {
      figures: new FigureReader(),
      release: () => {},
      drain: () => answers('drain') && tell({ kind: 'drained' }),
      flush: () => answers('flush') && tell({ kind: 'flushed' }),
      terminate: async () => {},
      change: async () => ({ error: null, isThere: true, stale: [], image: null }),
      order: async () => ({ error: null, shown: null, gone: [] }),
      obey: notYet,
    },
    images: CONFIG.images,
    report: () => void steps.push('report'),
    reload: async () => void steps.push('reload'),
    unmount: () => call('unmount'),
    close: (isQuiet) => {
      closed.push(isQuiet);
      return call('close');
    },
    letGo: () => call('let go'),
    die: (why) => answered.includes('die') && steps.push(why) > 0,
  };
  const serve: Serve = async (_config, _log, given) => {
    start = given;
    given.mounted(session);
    given.tell({ kind: 'ready' });
  };
  return { session, steps, closed, tell, serve };
}

const UNMOUNTED = { kind: 'disconnected' } as const;

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
  const { serve, tell, steps, closed } = makeSession();
  const { log, lines } = makeLog();
  let ready = 0;
  await runDaemon(CONFIG, log, serve, () => {
    ready += 1;
    tell(UNMOUNTED);
  });
  t.is(ready, 1);
  t.deepEqual(steps, ['drain', 'flush', 'close']);
  t.deepEqual(closed, [true]);
  t.deepEqual(lines, ['mounted /srv/disk.img', 'unmounted']);
});

test.serial('the first signal stops in order, the second at once', async (t) => {
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    const { serve, steps, closed } = makeSession('close');
    const { log, lines } = makeLog();
    const ready = deferred<void>();
    const running = runDaemon(CONFIG, log, serve, () => ready.resolve());
    await ready.promise;
    await signal(name);
    t.deepEqual(steps, ['unmount']);
    await signal(name);
    t.deepEqual(steps, ['unmount', 'close']);
    t.deepEqual(closed, [false]);
    const message = 'the mount has been aborted before everything was flushed';
    t.like(await t.throwsAsync(running, { message }), { exitCode: 5 });
    t.deepEqual(lines.slice(1), [`${name}: finishing`, `${name}: ending at once`, message]);
  }
});

test.serial('a signal unmounts, drains, flushes and closes', async (t) => {
  const { serve, steps } = makeSession();
  const ready = deferred<void>();
  const running = runDaemon(CONFIG, makeLog().log, serve, () => ready.resolve());
  await ready.promise;
  await signal('SIGTERM');
  await running;
  t.deepEqual(steps, ['unmount', 'drain', 'flush', 'close']);
});

test.serial('in the background the terminal may hang up', async (t) => {
  const { serve, steps, tell } = makeSession();
  const ready = deferred<void>();
  const running = runDaemon(CONFIG, makeLog().log, serve, () => ready.resolve());
  await ready.promise;
  await signal('SIGHUP');
  t.deepEqual(steps, []);
  tell(UNMOUNTED);
  await running;
});

test.serial(
  'a hang-up has the configuration file read again, where there is one and no terminal',
  async (t) => {
    const source = { file: '/etc/vm.yaml', words: {}, directory: '/', images: [] };
    for (const foreground of [false, true]) {
      // Of a test, standard error is no terminal.
      const { serve, steps, tell } = makeSession();
      const ready = deferred<void>();
      const config = { ...CONFIG, foreground, source };
      const running = runDaemon(config, makeLog().log, serve, () => ready.resolve());
      await ready.promise;
      await signal('SIGHUP');
      t.deepEqual(steps, ['reload']);
      tell(UNMOUNTED);
      await running;
    }
  },
);

test.serial('in the foreground a hang-up is a request to stop', async (t) => {
  const { serve, steps } = makeSession();
  const ready = deferred<void>();
  const config = { ...CONFIG, foreground: true };
  const running = runDaemon(config, makeLog().log, serve, () => ready.resolve());
  await ready.promise;
  await signal('SIGHUP');
  t.is(steps[0], 'unmount');
  await running;
});

test.serial('a signal during start-up ends the mount, and it is never called ready', async (t) => {
  const { serve, steps } = makeSession();
  const opened = deferred<void>();
  const slow: Serve = async (config, log, start) => {
    await opened.promise;
    t.true(start.isUnwanted(), 'a start can look whether it is to go on');
    await serve(config, log, start);
  };
  const running = runDaemon(CONFIG, makeLog().log, slow, () => t.fail());
  await signal('SIGTERM');
  opened.resolve();
  const error = await t.throwsAsync(running, { instanceOf: SluiceError, message: 'interrupted' });
  t.is(error?.exitCode, 1);
  t.deepEqual(steps, ['unmount', 'drain', 'flush', 'close']);
});

test.serial('a crash of the data plane is exit code 5 and says what happened', async (t) => {
  const { serve, tell, steps } = makeSession();
  const { log, lines } = makeLog();
  const running = runDaemon(CONFIG, log, serve, () => {
    tell({ kind: 'crashed', message: 'assertion failed: slot is free' });
  });
  const error = await t.throwsAsync(running, {
    instanceOf: SluiceError,
    message: 'the daemon died: assertion failed: slot is free; the mount has been aborted',
  });
  t.is(error?.exitCode, 5);
  t.is(lines.at(-1), 'assertion failed: slot is free');
  t.deepEqual(steps, ['close']);
});

test.serial('a crash where a keeper goes on ends the process, and touches nothing', async (t) => {
  const { serve, tell, steps } = makeSession('die');
  const running = runDaemon(CONFIG, makeLog().log, serve, () => {
    tell({ kind: 'crashed', message: 'assertion failed: slot is free' });
    t.deepEqual(steps, []);
    void Promise.resolve().then(() => tell({ kind: 'closed' }));
  });
  await t.throwsAsync(running, { message: /^the daemon died: assertion failed: slot is free;/ });
  t.deepEqual(steps, ['assertion failed: slot is free']);
});

test.serial('a mistake of ours on the main thread ends the mount with exit code 5', async (t) => {
  const { serve, steps } = makeSession();
  const { log, lines } = makeLog();
  const others = process.listeners('uncaughtException');
  const running = runDaemon(CONFIG, log, serve, () => {
    const crash = process.listeners('uncaughtException').find((one) => !others.includes(one));
    crash?.(new Error('assertion failed: it is so'), 'uncaughtException');
  });
  const message = 'the daemon died: assertion failed: it is so; the mount has been aborted';
  t.like(await t.throwsAsync(running, { message }), { exitCode: 5 });
  t.true(lines.some((line) => /^crashed: Error: assertion failed: it is so\n/.test(line)));
  t.deepEqual(steps, ['close']);
  t.deepEqual(process.listeners('uncaughtException'), others);
});

test.serial('a close that fails is logged, and the mount ends', async (t) => {
  const { session, serve, tell } = makeSession();
  session.close = () => Promise.reject(new Error('ENOTCONN: close'));
  const { log, lines } = makeLog();
  await runDaemon(CONFIG, log, serve, () => tell(UNMOUNTED));
  t.regex(lines[1]!, /^crashed: Error: ENOTCONN: close\n/);
  t.is(lines.at(-1), 'unmounted');
});

test.serial(
  'a mount that is handed over is neither unmounted nor flushed, and nothing is wrong',
  async (t) => {
    const { serve, tell, steps } = makeSession('let go');
    const { log, lines } = makeLog();
    await runDaemon(CONFIG, log, serve, () => {
      tell({ kind: 'hand-over' });
      tell({ kind: 'handed-over' });
    });
    t.deepEqual(steps, ['let go']);
    t.deepEqual(lines, ['mounted /srv/disk.img', 'handed over']);
  },
);

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

import test from 'ava';
import { ServiceManager } from '../../src/server/service-manager.js';

function rig(environment: ConstructorParameters<typeof ServiceManager>[0]) {
  const sent: string[] = [];
  const manager = new ServiceManager(environment, 42, (socket, text) => {
    sent.push(`${socket}: ${text.replaceAll('\n', ' ')}`);
  });
  return { manager, sent };
}

const alive = async (): Promise<void> => {};

test('another process becomes the service', (t) => {
  const { manager, sent } = rig({ NOTIFY_SOCKET: '/run/notify' });
  t.true(manager.isThere);
  manager.passTo(42);
  t.deepEqual(sent, ['/run/notify: MAINPID=42']);
  t.false(rig({}).manager.isThere);
});

test('systemd is told when the files can be used, of a reload, and of the end', (t) => {
  const { manager, sent } = rig({ NOTIFY_SOCKET: '/run/notify' });
  manager.ready('3 images at /mnt/s', alive);
  manager.reloading(77n);
  manager.ready('4 images at /mnt/s', alive);
  manager.stopping();
  t.deepEqual(sent, [
    '/run/notify: READY=1 STATUS=3 images at /mnt/s',
    '/run/notify: RELOADING=1 MONOTONIC_USEC=77',
    '/run/notify: READY=1 STATUS=4 images at /mnt/s',
    '/run/notify: STOPPING=1 WATCHDOG_USEC=0 STATUS=flushing',
  ]);
});

test('outside of a service nothing is told', (t) => {
  for (const environment of [{}, { NOTIFY_SOCKET: '' }, { NOTIFY_SOCKET: 'vsock:2:1' }]) {
    const { manager, sent } = rig(environment);
    manager.ready('', alive);
    manager.stopping();
    t.deepEqual(sent, []);
  }
});

test('the watchdog is fed when the data plane has answered, and only then', async (t) => {
  const { manager, sent } = rig({ NOTIFY_SOCKET: '@a', WATCHDOG_USEC: '2000', WATCHDOG_PID: '42' });
  let asked = 0;
  const answers: (() => void)[] = [];
  // The watchdog's timer keeps no process alive, and a test with nothing else to wait for ends.
  const awake = setInterval(() => {}, 1000);
  await new Promise<void>((resolve) => {
    manager.ready('', () => {
      asked++;
      resolve();
      return new Promise<void>((settle) => answers.push(settle));
    });
  });
  clearInterval(awake);
  t.true(asked >= 1);
  t.false(sent.includes('@a: WATCHDOG=1'), 'it hangs');
  for (const settle of answers) settle();
  await new Promise(setImmediate);
  t.true(sent.includes('@a: WATCHDOG=1'));
  manager.stopping();
});

test('a watchdog for another process is not ours', async (t) => {
  const { manager, sent } = rig({ NOTIFY_SOCKET: '@a', WATCHDOG_USEC: '1', WATCHDOG_PID: '43' });
  manager.ready('', () => Promise.reject(t.fail()));
  await new Promise(setImmediate);
  t.deepEqual(sent, ['@a: READY=1 STATUS=']);
});

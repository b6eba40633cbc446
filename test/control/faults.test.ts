import test from 'ava';
import { FAULT_ERRNOS, formatFaults, parseFaults } from '../../src/control/faults.js';
import { ERRNO } from '../../src/util/errno.js';

const NONE = { error: 0, errno: 'EIO', delayNs: 0 };

test('words become faults: those of a kind win over those for all', (t) => {
  t.deepEqual(parseFaults('read.error=1%,errno=ENOSPC,write.delay=20ms,seed=7'), {
    read: { error: 0.01, errno: 'ENOSPC', delayNs: 0 },
    write: { error: 0, errno: 'ENOSPC', delayNs: 20e6 },
    discard: { ...NONE, errno: 'ENOSPC' },
    flush: { ...NONE, errno: 'ENOSPC' },
    seed: 7,
  });
  const all = parseFaults(
    'error=0.5%,flush.error=100%,flush.errno=EROFS,delay=500us,read.delay=0',
  )!;
  t.deepEqual(all.read, { error: 0.005, errno: 'EIO', delayNs: 0 });
  t.deepEqual(all.flush, { error: 1, errno: 'EROFS', delayNs: 500e3 });
  t.deepEqual(parseFaults('delay=1.5ms')!.write, { ...NONE, delayNs: 1500e3 });
});

for (const words of [
  'off',
  'error=0%',
  'delay=0',
  'delay=0ms',
  'error=0%,seed=1',
  'read.error=0%',
]) {
  test(`no faults: ${words}`, (t) => {
    t.is(parseFaults(words), null);
  });
}

for (const [words, again] of [
  ['read.error=1%', 'read.error=1%'],
  ['write.delay=20000us,error=1.50%', 'error=1.5%,write.delay=20ms'],
  ['seed=0,delay=60s,read.delay=60s', 'delay=60s,seed=0'],
  ['error=2%,errno=ENOSPC', 'error=2%,errno=ENOSPC'],
  [
    'read.error=1%,write.error=1%,write.errno=EROFS,delay=1500us',
    'read.error=1%,write.error=1%,write.errno=EROFS,delay=1500us',
  ],
  ['read.error=0.0000001%,errno=EIO', 'read.error=0.0000001%'],
] as const) {
  test(`faults are shown as they can be given: ${words}`, (t) => {
    const faults = parseFaults(words)!;
    t.is(formatFaults(faults), again);
    t.is(formatFaults(parseFaults(again)!), again);
  });
}

for (const [words, message, errno] of [
  ['', '"": expected KEY=VALUE such as read.error=1%, or off alone', 'EINVAL'],
  ['read.error', 'read.error: expected KEY=VALUE such as read.error=1%, or off alone', 'EINVAL'],
  ['off,error=1%', 'off: expected KEY=VALUE such as read.error=1%, or off alone', 'EINVAL'],
  ['errno=ENOSPC', 'errno=ENOSPC: no request fails; add error=1%', 'EINVAL'],
  ['errno=ENOSPC,delay=1ms', 'errno=ENOSPC: no request fails; add error=1%', 'EINVAL'],
  [
    'read.error=1%,write.errno=EROFS',
    'write.errno=EROFS: no write fails; add write.error=1%',
    'EINVAL',
  ],
  ['seed=1', 'seed=1: no request fails; add error=1%', 'EINVAL'],
  ['raed.error=1%', 'raed.error=1%: no key "raed.error"; did you mean read.error?', 'EINVAL'],
  ['error=1', 'error=1: expected a part of all requests such as 1%', 'EINVAL'],
  ['error=101%', 'error=101%: more than 100%', 'ERANGE'],
  ['error=1%,error=2%', 'error=2%: error is given twice', 'EINVAL'],
  [
    'delay=2min',
    'delay=2min: expected a time with its unit such as 20ms, 500us or 1.5s, at most 60s, or 0',
    'EINVAL',
  ],
  [
    'delay=20',
    'delay=20: expected a time with its unit such as 20ms, 500us or 1.5s, at most 60s, or 0',
    'EINVAL',
  ],
  [
    'delay=0.5us',
    'delay=0.5us: expected a time with its unit such as 20ms, 500us or 1.5s, at most 60s, or 0',
    'EINVAL',
  ],
  ['delay=61s', 'delay=61s: more than 60s', 'ERANGE'],
  ['seed=4294967296', 'seed=4294967296: expected a number from 0 to 4294967295', 'EINVAL'],
] as const) {
  test(`refused: ${words}`, (t) => {
    const error = t.throws(() => parseFaults(words), { message });
    t.is((error as unknown as { errno: string }).errno, errno);
  });
}

test('errors have numbers, and one that means something else is refused', (t) => {
  for (const name of FAULT_ERRNOS) t.true(ERRNO[name] > 0, name);
  t.regex(
    t.throws(() => parseFaults('error=1%,errno=EINTR')).message,
    /^errno=EINTR: expected one of EIO,/,
  );
});

import test from 'ava';
import { refusal } from '../../src/uring/setup.js';

const SECCOMP =
  'io_uring: forbidden here, most likely by a seccomp profile ' +
  '(the default of container engines); ' +
  'allow io_uring_setup, io_uring_enter and io_uring_register';

for (const [errno, name, disabled, sentence] of [
  [38, 'ENOSYS', '', 'io_uring: this kernel has none; Linux 5.19 or newer is needed'],
  [22, 'EINVAL', '0', 'io_uring: this kernel is too old; Linux 5.19 or newer is needed'],
  [12, 'ENOMEM', '0', 'io_uring: not enough locked memory; raise `ulimit -l`'],
  [24, 'EMFILE', '0', 'io_uring: too many open files; raise `ulimit -n`'],
  [
    1,
    'EPERM',
    '2',
    'io_uring: forbidden by kernel.io_uring_disabled=2; run `sysctl kernel.io_uring_disabled=0`',
  ],
  [
    1,
    'EPERM',
    '1',
    'io_uring: forbidden by kernel.io_uring_disabled=1; run `sysctl kernel.io_uring_disabled=0`',
  ],
  [1, 'EPERM', '0', SECCOMP],
  [1, 'EPERM', '', SECCOMP],
  [5, 'EIO', '2', 'io_uring: set-up failed with EIO'],
] as const) {
  test(`${name} with io_uring_disabled "${disabled}" is refused with its cause`, (t) => {
    const error = refusal(errno, disabled);
    t.is(error.message, sentence);
    t.is(error.errno, name);
    t.is(error.exitCode, 4);
  });
}

import { execFileSync } from 'node:child_process';
import { closeSync, readSync } from 'node:fs';
import test from 'ava';
import { EFD_NONBLOCK } from '../../src/sys/constants.js';
import { newEventfd, wakeEventfd } from '../../src/sys/eventfd.js';

test('it counts how often it was woken', (t) => {
  const fd = newEventfd(EFD_NONBLOCK);
  const count = new BigUint64Array(1);
  t.throws(() => readSync(fd, count), { code: 'EAGAIN' });
  wakeEventfd(fd);
  wakeEventfd(fd);
  readSync(fd, count);
  t.is(count[0], 2n);
  closeSync(fd);
});

test('without a descriptor it is refused with a remedy', (t) => {
  const module = new URL('../../src/sys/eventfd.js', import.meta.url);
  const program = `
    import { openSync } from 'node:fs';
    import { newEventfd } from '${module}';
    try { for (;;) openSync('/dev/null'); } catch {}
    try { newEventfd(); } catch ({ errno, message }) { process.stdout.write(errno + ': ' + message); }`;
  const node = [process.execPath, '--input-type=module', '-e', program];
  const told = execFileSync('sh', ['-c', 'ulimit -n 64; exec "$@"', 'sh', ...node]);
  t.is(String(told), 'EMFILE: too many open files; raise `ulimit -n`');
});

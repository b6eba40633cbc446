import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ownNamespace } from '../helpers/namespace.js';
import { OWN_ADDRESS, OWN_PORTS } from '../helpers/own-address.js';
import { requires } from '../helpers/requires.js';
import { must, sluiceWords } from '../helpers/run.js';
import { MIB, sparseFile, TMPFS, tempFolder } from '../helpers/temp.js';

/** Longer than anything that a daemon does again and again. V8 collects the garbage of the start some seconds later. */
const STRETCH_S = 2.5;
const STRETCHES = 24;

/** Prints how often threads of the daemon go to sleep in each stretch, until they do not. */
const SCRIPT = `mkdir -p /run/sluice && mount -t tmpfs tmpfs /run/sluice || exit
point=$1; shift
"$@" >&2
pid=$(sed -n 's/^pid //p' "$point/.groups/daemon")
sleeps() { awk '/^voluntary_ctxt_switches/ { sum += $2 } END { print sum }' /proc/$pid/task/*/status; }
for i in $(seq ${STRETCHES}); do
  before=$(sleeps)
  sleep ${STRETCH_S}
  more=$(($(sleeps) - before))
  echo $more
  [ $more = 0 ] && break
done
umount "$point"`;

// In a namespace of its own, with sockets of its own: whoever mounts or lists mounts asks every daemon that he sees.
requires(
  'fuse',
  'root',
  'io_uring',
)('a daemon that nobody asks sleeps', async (t) => {
  const folder = tempFolder(t, TMPFS);
  const point = join(folder, 'mnt');
  mkdirSync(point);
  const image = sparseFile(join(folder, 'disk.img'), MIB);
  const words = ['mount', image, point, '--metrics', `${OWN_ADDRESS}:${OWN_PORTS[0]}`];
  const mount = [process.execPath, ...sluiceWords(...words, '--log', join(folder, 'log'))];
  const shell = ['sh', '-c', SCRIPT, 'sh', point, ...mount];
  const told = await must('unshare', ownNamespace(shell), {
    limitMs: STRETCHES * STRETCH_S * 1000 + 30_000,
  });
  const looks = told.trim().split('\n').map(Number);
  t.is(looks.at(-1), 0, String(looks));
});

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import test from 'ava';
import { pureFiles } from '../../src/sys/own-pages.js';

/** One mapping as /proc/PID/smaps has it. */
function mapping(head: string, anonymous = 0, swap = 0): string {
  return `${head}
Size:                  8 kB
Rss:                   8 kB
Private_Dirty:         0 kB
Anonymous:      ${anonymous} kB
AnonHugePages:         0 kB
Swap:           ${swap} kB
SwapPss:               0 kB
VmFlags: rd ex mr mw me`;
}

const NODE = '00:2a 1234';

test('only what a file has all of, and nobody writes to, is let go of', (t) => {
  const smaps = [
    mapping(`00400000-00402000 r-xp 00000000 ${NODE}          /usr/bin/node`),
    mapping(`00500000-00502000 r--p 00002000 ${NODE}          /usr/bin/a name with blanks`),
    mapping(`00600000-00602000 r--p 00004000 ${NODE}          /relocated.so`, 4),
    mapping(`00700000-00702000 r--p 00006000 ${NODE}          /swapped.so`, 0, 8),
    mapping(`00800000-00802000 rw-p 00008000 ${NODE}          /data.so`),
    mapping(`00900000-00902000 r--s 00000000 ${NODE}          /shared`),
    mapping('00a00000-00a02000 r--p 00000000 00:00 0 '),
    mapping('7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0          [vdso]'),
    mapping(`7fff00000000-7fff00001000 r-xp 00000000 ${NODE}          /last.so`),
    '',
  ].join('\n');
  t.deepEqual(pureFiles(smaps), [
    { address: 0x400000, bytes: 0x2000 },
    { address: 0x500000, bytes: 0x2000 },
    { address: 0x7fff00000000, bytes: 0x1000 },
  ]);
  t.deepEqual(pureFiles(''), []);
});

test('a process that lets go of its programs is smaller, and goes on', (t) => {
  const module = join(import.meta.dirname, '../../src/sys/own-pages.js');
  const script = `
    const { letGoOfPrograms } = await import(${JSON.stringify(module)});
    const { readFileSync } = await import('node:fs');
    const files = () => Number(/RssFile:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
    const before = files();
    letGoOfPrograms();
    const after = files();
    const sum = JSON.parse('[1,2,39]').reduce((all, one) => all + one);
    console.log(JSON.stringify({ before, after, sum }));
    process.exit(new Intl.NumberFormat('en').format(3));
  `;
  const words = ['--input-type=module', '-e', script];
  const { status, stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' });
  t.is(status, 3, stderr);
  const { before, after, sum } = JSON.parse(stdout);
  t.is(sum, 42);
  // Its program has 20 MB that the start touches.
  t.true(after < before - 10_000, stdout);
});

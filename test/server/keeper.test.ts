import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { SnapshotFile } from '../../src/plane/snapshot-file.js';
import { Keeper, type Kept } from '../../src/server/keeper.js';
import { STATE_VERSION } from '../../src/server/successor.js';
import { eventually, isAlive } from '../helpers/proc.js';
import { tempFolder } from '../helpers/temp.js';

/** A keeper whose daemon is `body`, with `note` for lines that the test reads. */
function setUp(t: ExecutionContext, body: string) {
  const folder = tempFolder(t);
  const [program, told] = [join(folder, 'daemon.cjs'), join(folder, 'told')];
  const note = `const fs = require('node:fs');
    const told = ${JSON.stringify(told)};
    const note = (text) => fs.appendFileSync(told, text + '\\n');`;
  writeFileSync(program, `${note}\n${body}\n`);
  const keeper = Keeper.make();
  t.teardown(() => keeper.stop());
  const lost: string[] = [];
  const own = openSync(program, 'r');
  t.teardown(() => closeSync(own));
  const kept = { config: {}, fuse: keeper.first } as unknown as Kept;
  const log = join(folder, 'log');
  const start = (pauses = [0, 0, 0, 0, 0], name = program) =>
    keeper.start('/mnt/s', [own], kept, log, () => lost.push('lost'), name, pauses);
  const lines = () => (existsSync(told) ? readFileSync(told, 'utf8').trim().split('\n') : []);
  const logged = () => (existsSync(log) ? readFileSync(log, 'utf8') : '');
  return { keeper, start, program, lines, logged, lost, die: () => closeSync(keeper.config.guard) };
}

test('a daemon is started when the guard has no writer any more, with all that is kept', async (t) => {
  const { keeper, start, lines, lost, die } = setUp(
    t,
    `const isOpen = (fd) => { try { fs.fstatSync(fd); return true; } catch { return false; } };
     note([process.env.SLUICE_KEEPER, process.argv[2], [3, 4, 5, 6].map(isOpen)].join());
     note(fs.readFileSync('/proc/self/fd/6', 'utf8').includes('fs.fstatSync') + ',' + process.pid);
     setInterval(() => {}, 1000);`,
  );
  const pid = start();
  const file = openSync(`/proc/${pid}/fd/4`, 'r');
  const { version, deaths, daemon, serves } = new SnapshotFile(file).read() as Kept;
  closeSync(file);
  t.deepEqual([version, deaths, daemon.pid, serves], [STATE_VERSION, [], process.pid, true]);
  t.deepEqual(lines(), []);
  die();
  t.true(await eventually(() => lines().length === 2));
  const [first, second] = lines();
  t.is(first, `${pid},/mnt/s,true,true,true,true`);
  const [isSame, next] = second!.split(',');
  t.is(isSame, 'true', 'the first descriptor of the mount');
  const child = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  t.is(child, '', 'the end of a child could wake it');
  await keeper.stop();
  t.false(isAlive(pid));
  process.kill(Number(next), 'SIGKILL');
  t.deepEqual(lost, []);
});

const LINE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z sluice\[\d+\] \/mnt\/s: /;

function sentences(log: string): string[] {
  return log
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(LINE, ''));
}

const DEAD = 'error: no daemon could go on; the mount is dead: sluice umount /mnt/s removes it';

test('a daemon that dies at once is started again after pauses, which are told', async (t) => {
  const { start, lines, logged, program, die } = setUp(t, `note('started');`);
  const pid = start([0.1, 0.2]);
  const begin = performance.now();
  die();
  t.true(await eventually(() => !isAlive(pid)));
  t.is(lines().length, 3);
  t.true(performance.now() - begin > 300);
  const why = `warning: ${program}, which was started for it, did not come to serve`;
  const pauses = ['0.1', '0.2'].map((pause) => `${why}; trying again in ${pause} s`);
  t.deepEqual(sentences(logged()), [...pauses, DEAD]);
});

test('a program that is not there for a while, or is half of one, is started when it is there again', async (t) => {
  const { start, lines, logged, program, keeper, die } = setUp(t, '');
  const body = readFileSync(program, 'utf8');
  rmSync(program);
  const pid = start([0.2, 0.2, 0.2, 60]);
  die();
  t.true(await eventually(() => logged().includes(' is not there; trying again in 0.2 s')));
  writeFileSync(program, 'half of a (');
  t.true(await eventually(() => logged().includes(' did not come to serve; ')));
  writeFileSync(program, `${body} note(process.pid); setInterval(() => {}, 1000);`);
  t.true(await eventually(() => lines().length === 1));
  process.kill(Number(lines()[0]), 'SIGKILL');
  t.true(isAlive(pid));
  t.true(sentences(logged()).every((line) => /^warning: .*; trying again in /.test(line)));
  await keeper.stop();
});

test('starts that came to a daemon which serves do not count', async (t) => {
  const { keeper, start, lines, die } = setUp(
    t,
    `note('started');
     const all = fs.readFileSync(told, 'utf8').split('\\n').length - 1;
     if (all <= 8) fs.writeSync(3, 'serves\\n');`,
  );
  const pid = start();
  die();
  t.true(await eventually(() => !isAlive(pid)));
  await keeper.stop();
  t.true(await eventually(() => lines().length === 8 + 6));
});

test('a keeper that ends by itself is told, one that is stopped is not', async (t) => {
  const { keeper, start, lost } = setUp(t, '');
  const first = start();
  await keeper.stop();
  t.false(isAlive(first));
  const second = start();
  process.kill(second, 'SIGKILL');
  t.true(await eventually(() => lost.length > 0));
  t.deepEqual(lost, ['lost']);
  await keeper.stop();
});

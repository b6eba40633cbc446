import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
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
  const start = () => keeper.start('/mnt/s', [own], kept, () => lost.push('lost'), program);
  const lines = () => (existsSync(told) ? readFileSync(told, 'utf8').trim().split('\n') : []);
  return { keeper, start, lines, lost, die: () => closeSync(keeper.config.guard) };
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
  const { version, starts, daemon } = new SnapshotFile(file).read() as Kept;
  closeSync(file);
  t.deepEqual([version, starts, daemon.pid], [STATE_VERSION, [], process.pid]);
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

test('a daemon that dies at once is started six times: the last one is to end the mount', async (t) => {
  const { start, lines, die } = setUp(t, `note('started');`);
  const pid = start();
  die();
  t.true(await eventually(() => !isAlive(pid)));
  t.true(await eventually(() => lines().length === 6));
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

import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { run, start, stop } from '../lib/process.js';
import { daemonPid } from '../lib/sluice.js';
import { checkTables } from '../verifier/judge.js';
import { eventually, insist, type Place } from './place.js';
import type { Scenario } from './scenario.js';

// Databases on a file system on an image, while the mount goes from one daemon to the next.

const MIB_SECTORS = 2048;
const DISK_SECTORS = 512 * MIB_SECTORS;
const LONG_COUNT = 50;
const SHORT_COUNT = 3;
/** New daemons of one mount: a keeper starts five in a minute. */
const AT_ONCE = 5;
/** Longest time before each of them, milliseconds. */
const PAUSE_MS = 300;
const STEP_LIMIT_MS = 120_000;

const FORMATS = ['raw', 'qcow2'] as const;
type Format = (typeof FORMATS)[number];

/** How SQLite makes its transactions durable. */
const JOURNALS = ['delete', 'wal'] as const;

/**
 * Each transaction has a number, which is printed when it is committed. The first error ends it.
 * $1 is the database, $2 the last number that it has.
 */
const WRITER = `n=$2
while n=$((n + 1)); do
  sqlite3 -bail "$1" "pragma synchronous = full; insert into t values($n, hex(randomblob(1500)));" || exit 1
  echo $n
done`;

/** A database that is written to all the time. */
interface Database {
  path: string;
  /** The last transaction that SQLite has acknowledged. */
  acknowledged: number;
}

/** A way in which another daemon goes on with a mount. */
interface Change {
  name: string;
  words: readonly string[];
  holds: string;
  strike: (place: Place, point: string) => Promise<void>;
}

const CHANGES: readonly Change[] = [
  {
    name: 'restarts',
    words: [],
    holds: 'sluice restart',
    async strike(place, point) {
      const { code, stderr } = await place.sluice(['restart', point]);
      insist(code === 0, `sluice restart ends with ${code}: ${stderr.trim()}`);
    },
  },
  {
    name: 'kills',
    words: ['--keeper'],
    holds: 'SIGKILL of a daemon with a keeper',
    async strike(_place, point) {
      const pid = await daemonPid(point);
      process.kill(pid, 'SIGKILL');
      const isNew = async (): Promise<boolean> => (await daemonPid(point)) !== pid;
      insist(await eventually(STEP_LIMIT_MS, isNew), 'no other daemon goes on with the mount');
    },
  },
];

function databases({ name, words, holds, strike }: Change, format: Format): Scenario {
  return {
    name: `databases-${name}-${format}`,
    needs: ['loop', 'qemu', 'ext4', 'sqlite'],
    transports: ['uring'],
    // Restarts of qcow2 images have tests of their own.
    short: format === 'qcow2' && name === 'kills' ? ['uring'] : [],
    holds: `SQLite on ext4 on a loop device over a ${format} image, and ${holds}: every acknowledged commit is there, the database, file system and image are sound`,
    async body(place) {
      const image = await (format === 'raw'
        ? place.raw('disk.img', DISK_SECTORS)
        : place.qcow2('disk.qcow2', DISK_SECTORS));
      const all: Database[] = JOURNALS.map((journal) => ({
        path: join(place.path('inside'), `${journal}.db`),
        acknowledged: 0,
      }));
      const use = async (options: readonly string[], body: (point: string) => Promise<void>) => {
        await withFileSystem(place, `disk=${image.path}`, options, body);
      };
      await use([], () => make(all));
      const count = place.isShort ? SHORT_COUNT : LONG_COUNT;
      for (let left = count; left > 0; left -= AT_ONCE) {
        await use(words, async (point) => {
          const writers = await Promise.all(all.map((one) => writer(one)));
          for (let i = Math.min(left, AT_ONCE); i > 0; i--) {
            await delay(place.random.below(PAUSE_MS));
            await strike(place, point);
          }
          await Promise.all(writers.map((end) => end()));
          await check(all);
        });
      }
      await use([], () => check(all));
      await checkTables(image, 'sound');
    },
  };
}

/** Runs `body` with the image mounted, and the file system in it. The first time it is made. */
async function withFileSystem(
  place: Place,
  image: string,
  words: readonly string[],
  body: (point: string) => Promise<void>,
): Promise<void> {
  const point = await place.background(image, words);
  const device = await place.loop(join(point, 'disk.raw'));
  const isNew = await run('blkid', ['-p', device]).then(
    () => false,
    () => true,
  );
  if (isNew) await run('mkfs.ext4', ['-q', device], STEP_LIMIT_MS);
  const folder = await place.fileSystem('inside', device);
  await body(point);
  await place.unmount(folder);
  await run('e2fsck', ['-f', '-n', device], STEP_LIMIT_MS);
  await place.detach(device);
  const { code, stderr } = await place.sluice(['umount', point], STEP_LIMIT_MS);
  insist(code === 0, `sluice umount ends with ${code}: ${stderr.trim()}`);
}

async function make(all: readonly Database[]): Promise<void> {
  for (const [index, { path }] of all.entries()) {
    const text = `pragma journal_mode = ${JOURNALS[index]!}; create table t(n, text);`;
    await run('sqlite3', ['-bail', path, text], STEP_LIMIT_MS);
  }
}

/** Begins to write. @returns Ends it. */
async function writer(database: Database): Promise<() => Promise<void>> {
  const { path, acknowledged } = database;
  const child = await start('sh', ['-c', WRITER, 'writer', path, String(acknowledged)], '/');
  return async () => {
    insist(child.isAlive(), `${path}: SQLite has failed: ${child.output().slice(-300)}`);
    await stop(child, STEP_LIMIT_MS);
    const numbers = child.output().split('\n').filter(Boolean).map(Number);
    insist(numbers.length > 0, `${path}: nothing was committed`);
    database.acknowledged = numbers.at(-1)!;
  };
}

/** A transaction may be there that was committed and not acknowledged any more. */
async function check(all: readonly Database[]): Promise<void> {
  for (const database of all) {
    const { path, acknowledged } = database;
    const text = 'pragma integrity_check; select count(*), max(n) from t;';
    // The last transaction may still be under way.
    const words = ['-bail', '-cmd', `.timeout ${STEP_LIMIT_MS}`, path, text];
    const told = await run('sqlite3', words, STEP_LIMIT_MS);
    const [, integrity, count, last] = /^(.*)\n(\d+)\|(\d+)\n$/s.exec(told) ?? [];
    insist(integrity === 'ok', `${path}: ${told}`);
    insist(count === last, `${path}: ${count} transactions up to number ${last}`);
    const [least, most] = [acknowledged, acknowledged + 1];
    insist(
      Number(last) >= least && Number(last) <= most,
      `${path}: the last transaction is ${last}, and ${acknowledged} was acknowledged`,
    );
    database.acknowledged = Number(last);
  }
}

export const DATABASES: readonly Scenario[] = CHANGES.flatMap((change) =>
  FORMATS.map((format) => databases(change, format)),
);

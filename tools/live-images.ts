import { mkdir, open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from '../src/api/index.js';
import type { Mount } from '../src/api/types.js';
import { formatOrder, type ImageOrder } from '../src/server/image-order.js';
import { readOrderKey } from '../src/server/order-key.js';
import { runTool } from './lib/cleanup.js';
import { type FioJob, type RunningFio, startFio } from './lib/fio.js';
import { makeImage, temporaryFolder } from './lib/image.js';
import { countMappings } from './lib/mappings.js';
import { inRange, toolOptions } from './lib/options.js';
import { run, settles } from './lib/process.js';
import { checkSluiceBuilt, mountSluice, type SluiceMount } from './lib/sluice.js';
import { median, rotate } from './lib/stats.js';

/** Longest time for the answer to an order, milliseconds. */
const ANSWER_MS = 30_000;
/** Attaches before anything is counted: caches and code are warm then. */
const WARM = 60;
/** What is taken up is looked at so often. The heaps of the threads grow in the first half. */
const PARTS = 8;
/** Resident memory may grow by this part and by so much; it is not exact. */
const GROWTH = 0.1;
const GROWTH_KIB = 16 << 10;
/** Blocks of malloc and compiled code come and go. */
const MORE_MAPPINGS = 32;
/** Requests of fio in a second while images are counted: with all that it can, most of the time is fio's. */
const LEAK_RATE = 2000;
const IMAGE_MIB = 256;

/** Images that come and go: one of each format, and one by each of the ways on which orders come. */
const KINDS = [
  { format: 'raw', way: 'socket' },
  { format: 'qcow2', way: 'files' },
] as const;

/** What a daemon takes up. */
interface Taken {
  descriptors: number;
  /** See `countMappings`. */
  mappings: number;
  residentKib: number;
}

/** Has images come and go in a mount. */
class Traffic {
  readonly #mount: SluiceMount;
  readonly #api: Mount;
  readonly #folder: string;
  readonly #key: string;
  /** Images that have come and gone. */
  count = 0;

  /** @param folder Has an image of each format, which no other mount has. */
  constructor(mount: SluiceMount, api: Mount, folder: string, key: string) {
    this.#mount = mount;
    this.#api = api;
    this.#folder = folder;
    this.#key = key;
  }

  /** An image comes, is read and written, and goes. */
  async once(): Promise<void> {
    const { format, way } = KINDS[this.count % KINDS.length]!;
    const name = `${format}-${this.count++ % 7}`;
    const path = join(this.#folder, `${format}.img`);
    if (way === 'socket') await this.#api.attach({ name, path, format });
    else {
      const image = { name, path, format, backingFormats: [], snapshot: null };
      await this.#order({ kind: 'attach', image, overlay: null, options: {}, assignments: [] });
    }
    await this.#use(this.#mount.file(name));
    if (way === 'socket') await this.#api.detach(name);
    else await this.#order({ kind: 'detach', name, force: false });
  }

  /**
   * Images come and go as long as fio runs. Returns how many.
   *
   * @param perSecond 0: one after the other
   */
  async beside(fio: RunningFio, perSecond: number): Promise<number> {
    const [before, begin] = [this.count, performance.now()];
    while (fio.isAlive()) {
      await this.once();
      if (perSecond === 0) continue;
      const due = begin + (1000 * (this.count - before)) / perSecond;
      await delay(Math.max(0, due - performance.now()));
    }
    return this.count - before;
  }

  async #use(path: string): Promise<void> {
    const use = async (): Promise<void> => {
      const file = await open(path, 'r+');
      try {
        const bytes = Buffer.alloc(64 << 10, this.count);
        await file.write(bytes, 0, bytes.length, (this.count % 200) * bytes.length);
        await file.read(bytes, 0, bytes.length, 0);
      } finally {
        await file.close();
      }
    };
    await this.#within(use(), path);
  }

  async #order(order: ImageOrder): Promise<void> {
    const give = async (): Promise<string> => {
      const file = await open(join(this.#mount.mountpoint, '.groups/images'), 'r+');
      try {
        const text = Buffer.from(`${formatOrder(this.#key, order)}\n`);
        const error = await file.write(text).then(
          () => null,
          (failed: Error) => failed,
        );
        const answer = Buffer.alloc(4096);
        const { bytesRead } = await file.read(answer, 0, answer.length, 0);
        return error === null ? '' : answer.toString('utf8', 0, bytesRead) || error.message;
      } finally {
        await file.close();
      }
    };
    const failed = await this.#within(give(), order.kind);
    if (failed !== '') throw new Error(`${order.kind}: ${failed}`);
  }

  async #within<T>(done: Promise<T>, what: string): Promise<T> {
    if (!(await settles(done, ANSWER_MS))) throw new Error(`${what}: no answer`);
    return done;
  }
}

async function takenBy(pid: number): Promise<Taken> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const maps = await readFile(`/proc/${pid}/maps`, 'utf8');
  return {
    descriptors: (await readdir(`/proc/${pid}/fd`)).length,
    mappings: countMappings(maps),
    residentKib: Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]),
  };
}

/** Images come and go beside fio. Returns sentences about what is left of them. */
async function findLeaks(
  traffic: Traffic,
  pid: number,
  count: number,
  beside: FioJob,
): Promise<string[]> {
  const fio = await startFio({ ...beside, seconds: 3600, rate: LEAK_RATE }, '/');
  try {
    const samples: Taken[] = [];
    for (let part = 0; part < PARTS; part++) {
      for (let i = 0; i < count / PARTS; i++) await traffic.once();
      samples.push(await takenBy(pid));
    }
    const [before, after] = [samples[PARTS / 2 - 1]!, samples.at(-1)!];
    console.log(`${count} attaches and detaches, in ${PARTS} parts:`);
    for (const sample of samples) console.log(JSON.stringify(sample));
    const found: string[] = [];
    if (after.descriptors > before.descriptors) found.push('descriptors are left open');
    if (after.mappings > before.mappings + MORE_MAPPINGS) found.push('mappings are left');
    if (after.residentKib > before.residentKib * (1 + GROWTH) + GROWTH_KIB)
      found.push('memory grows');
    return found;
  } finally {
    await fio.stop();
  }
}

/** What fio has beside it in a round. */
const SURROUNDINGS = ['alone', 'other', 'beside'] as const;
type Surroundings = (typeof SURROUNDINGS)[number];

const SENTENCES: Record<Surroundings, string> = {
  alone: 'alone',
  other: 'images come and go in another mount',
  beside: 'images come and go in this mount',
};

/**
 * p99 of fio in microseconds, in alternating rounds: alone, beside images that come and go in this mount, and beside the
 * same in another mount. That one has a daemon of its own, which takes the same processor time: what it does to fio is the machine's part.
 *
 * @param perSecond Images that come and go in a second; 0: one after the other.
 */
async function compare(
  traffics: Record<'other' | 'beside', Traffic>,
  job: FioJob,
  rounds: number,
  perSecond: number,
): Promise<Record<Surroundings, number[]>> {
  const p99s: Record<Surroundings, number[]> = { alone: [], other: [], beside: [] };
  for (let round = 0; round < rounds; round++) {
    for (const surroundings of rotate(SURROUNDINGS, round)) {
      const traffic = surroundings === 'alone' ? null : traffics[surroundings];
      const fio = await startFio(job, '/');
      const images = traffic === null ? 0 : await traffic.beside(fio, perSecond);
      const { clatP99Us, iops } = await fio.done;
      p99s[surroundings].push(clatP99Us);
      const what = `${SENTENCES[surroundings]}${traffic === null ? '' : ` (${images})`}`;
      console.log(`${what}: p99 ${clatP99Us.toFixed(0)} us, ${iops.toFixed(0)} IOPS`);
    }
  }
  return p99s;
}

/** Prints medians and scatter. Returns by how many percent p99 rises by what this daemon does. */
function report(p99s: Record<Surroundings, number[]>): number {
  for (const surroundings of SURROUNDINGS) {
    const sorted = p99s[surroundings].toSorted((a, b) => a - b);
    const at = (part: number) => sorted[Math.round(part * (sorted.length - 1))]!.toFixed(0);
    const half = `half of the rounds ${at(0.25)} to ${at(0.75)}`;
    console.log(`${SENTENCES[surroundings]}: p99 ${median(sorted).toFixed(0)} us, ${half}`);
  }
  const rise = (of: Surroundings, over: Surroundings) => {
    const percent = 100 * (median(p99s[of]) / median(p99s[over]) - 1);
    return { percent, text: `${percent.toFixed(1)} %` };
  };
  const own = rise('beside', 'other');
  console.log(
    `rise: ${rise('beside', 'alone').text} in all, ${rise('other', 'alone').text} by another mount, ${own.text} more by this one`,
  );
  return own.percent;
}

async function main(): Promise<number> {
  const options = toolOptions('live-images', 'Images come and go while fio runs on another one.')
    .option('count', { type: 'number', default: 1000, describe: 'images; 0: none' })
    .option('rounds', { type: 'number', default: 5, describe: 'comparisons of p99; 0: none' })
    .option('seconds', { type: 'number', default: 5, describe: 'of each' })
    .option('depth', { type: 'number', default: 8, describe: 'requests of fio at a time' })
    .option('per-second', {
      type: 'number',
      default: 10,
      describe: 'images beside fio; 0: as many as can be',
    })
    .option('most', { type: 'number', default: 10, describe: 'percent by which p99 may rise' })
    .option('transport', { type: 'string', default: 'uring' })
    .option('dir', { type: 'string', default: '/dev/shm', describe: 'where images are made' })
    .parseSync();
  const { count, rounds, seconds, depth, perSecond, most, transport, dir } = options;
  inRange('count', count, 0, 1e6);
  inRange('rounds', rounds, 0, 1000);
  inRange('per-second', perSecond, 0, 1000);
  await checkSluiceBuilt();
  const folder = await temporaryFolder(dir);
  const mib = rounds === 0 ? 16 : IMAGE_MIB;
  await makeImage(join(folder, 'busy.img'), mib);
  const size = mib << 20;
  const place = { folder, transport };
  const beside = await mountFor(place, 'this', { busy: join(folder, 'busy.img') }, size);
  const shape = { rw: 'randread', blockSize: 4096, depth, jobs: 1, rampSeconds: 0 } as const;
  const job: FioJob = { file: beside.mount.file('busy'), size, ...shape, seconds };
  for (let i = 0; i < WARM; i++) await beside.traffic.once();
  const { pid } = beside.mount;
  const faults = count === 0 ? [] : await findLeaks(beside.traffic, pid, count, job);
  if (rounds > 0) {
    const other = await mountFor(place, 'other', {}, size);
    for (let i = 0; i < WARM; i++) await other.traffic.once();
    const traffics = { other: other.traffic, beside: beside.traffic };
    const rise = report(await compare(traffics, job, rounds, perSecond));
    if (rise > most) faults.push(`p99 rises by more than ${most} %`);
    await other.mount.stop();
  }
  await beside.mount.stop();
  for (const fault of faults) console.log(fault);
  if (faults.length === 0) console.log('no fault');
  return faults.length === 0 ? 0 : 1;
}

/** Mounts images, and makes those that will come and go there. */
async function mountFor(
  { folder, transport }: { folder: string; transport: string },
  name: string,
  images: Record<string, string>,
  size: number,
): Promise<{ mount: SluiceMount; traffic: Traffic }> {
  const own = join(folder, name);
  await mkdir(own);
  await makeImage(join(own, 'raw.img'), 16);
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', join(own, 'qcow2.img'), '64M']);
  const empty = Object.keys(images).length === 0 ? ['--empty'] : [];
  const words = [...empty, '--transport', transport, '--log', join(own, 'log')];
  const mount = await mountSluice(join(own, 'mnt'), images, size, words);
  const about = await readFile(join(mount.mountpoint, '.groups/daemon'), 'utf8');
  const key = readOrderKey(/^key (.*)$/m.exec(about)![1]!);
  if (key === null) throw new Error('the key of the daemon cannot be read');
  return { mount, traffic: new Traffic(mount, await connect(mount.mountpoint), own, key) };
}

await runTool('live-images', main);

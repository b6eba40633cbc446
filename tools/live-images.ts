import { truncateSync } from 'node:fs';
import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { formatOrder, type ImageOrder } from '../src/server/image-order.js';
import { readOrderKey } from '../src/server/order-key.js';
import { runTool } from './lib/cleanup.js';
import { type FioJob, startFio } from './lib/fio.js';
import { makeImage, temporaryFolder } from './lib/image.js';
import { inRange, toolOptions } from './lib/options.js';
import { run, settles } from './lib/process.js';
import { checkSluiceBuilt, mountSluice, type SluiceMount } from './lib/sluice.js';
import { median, rotate } from './lib/stats.js';

/** Longest time for the answer to an order, milliseconds. */
const ANSWER_MS = 30_000;
/** Attaches before anything is counted: caches and code are warm then. */
const WARM = 20;
/** What is taken up is looked at so often. The heaps of the threads grow in the first half. */
const PARTS = 8;
/** Resident memory may grow by this part and by so much; it is not exact. */
const GROWTH = 0.1;
const GROWTH_KIB = 16 << 10;
const IMAGE_MIB = 256;

/** Images that come and go, one of each kind: by name and the words that make it. */
const KINDS = ['raw', 'qcow2'] as const;

/** What a daemon takes up. */
interface Taken {
  descriptors: number;
  /** Lines of /proc/PID/maps. */
  mappings: number;
  residentKib: number;
}

/** Has images come and go in a mount. */
class Traffic {
  readonly #mount: SluiceMount;
  readonly #folder: string;
  readonly #key: string;
  /** Images that have come and gone. */
  count = 0;

  constructor(mount: SluiceMount, folder: string, key: string) {
    this.#mount = mount;
    this.#folder = folder;
    this.#key = key;
  }

  /** One image of each kind comes, is read and written, and goes. */
  async once(): Promise<void> {
    for (const kind of KINDS) {
      const name = `${kind}-${this.count++ % 7}`;
      const path = join(this.#folder, `${kind}.img`);
      const image = { name, path, format: kind, backingFormats: [], snapshot: null };
      await this.#order({ kind: 'attach', image, overlay: null, options: {}, assignments: [] });
      await this.#use(this.#mount.file(name));
      await this.#order({ kind: 'detach', name, force: false });
    }
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
    mappings: maps.split('\n').length - 1,
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
  const fio = await startFio({ ...beside, seconds: 3600 }, '/');
  try {
    for (let i = 0; i < WARM; i++) await traffic.once();
    const samples: Taken[] = [];
    for (let part = 0; part < PARTS; part++) {
      for (let i = 0; i < count / PARTS; i++) await traffic.once();
      samples.push(await takenBy(pid));
    }
    const [before, after] = [samples[PARTS / 2 - 1]!, samples.at(-1)!];
    console.log(`${count * KINDS.length} attaches and detaches, in ${PARTS} parts:`);
    for (const sample of samples) console.log(JSON.stringify(sample));
    const found: string[] = [];
    if (after.descriptors > before.descriptors) found.push('descriptors are left open');
    if (after.mappings > before.mappings + 128) found.push('mappings are left');
    if (after.residentKib > before.residentKib * (1 + GROWTH) + GROWTH_KIB)
      found.push('memory grows');
    return found;
  } finally {
    await fio.stop();
  }
}

/** p99 of fio in microseconds, alone and beside images that come and go, in alternating rounds. */
async function compare(
  traffic: Traffic,
  job: FioJob,
  rounds: number,
  pauseMs: number,
): Promise<{ alone: number; beside: number }> {
  const alone: number[] = [];
  const beside: number[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const isBeside of rotate([false, true], round)) {
      const before = traffic.count;
      const fio = await startFio(job, '/');
      while (isBeside && fio.isAlive()) {
        await traffic.once();
        await delay(pauseMs);
      }
      const { clatP99Us, iops } = await fio.done;
      (isBeside ? beside : alone).push(clatP99Us);
      const what = isBeside ? `beside ${traffic.count - before} attaches` : 'alone';
      console.log(`${what}: p99 ${clatP99Us.toFixed(0)} us, ${iops.toFixed(0)} IOPS`);
    }
  }
  return { alone: median(alone), beside: median(beside) };
}

async function main(): Promise<number> {
  const options = toolOptions('live-images', 'Images come and go while fio runs on another one.')
    .option('count', { type: 'number', default: 500, describe: 'rounds of two images; 0: none' })
    .option('rounds', { type: 'number', default: 5, describe: 'comparisons of p99; 0: none' })
    .option('seconds', { type: 'number', default: 5, describe: 'of each' })
    .option('depth', { type: 'number', default: 8, describe: 'requests of fio at a time' })
    .option('pause-ms', {
      type: 'number',
      default: 250,
      describe: 'between two images and the next two, beside fio',
    })
    .option('most', { type: 'number', default: 10, describe: 'percent by which p99 may rise' })
    .option('transport', { type: 'string', default: 'uring' })
    .option('dir', { type: 'string', default: '/dev/shm', describe: 'where images are made' })
    .parseSync();
  const { count, rounds, seconds, depth, most, transport, dir } = options;
  inRange('count', count, 0, 1e6);
  inRange('rounds', rounds, 0, 1000);
  await checkSluiceBuilt();
  const folder = await temporaryFolder(dir);
  const mib = rounds === 0 ? 16 : IMAGE_MIB;
  await makeImage(join(folder, 'busy.img'), mib);
  await makeImage(join(folder, 'raw.img'), 16);
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', join(folder, 'qcow2.img'), '64M']);
  truncateSync(join(folder, 'raw.img'), 16 << 20);
  const size = mib << 20;
  const images = { busy: join(folder, 'busy.img') };
  const words = ['--transport', transport, '--log', join(folder, 'log')];
  const mount = await mountSluice(join(folder, 'mnt'), images, size, words);
  const about = await readFile(join(mount.mountpoint, '.groups/daemon'), 'utf8');
  const key = readOrderKey(/^key (.*)$/m.exec(about)![1]!);
  if (key === null) throw new Error('the key of the daemon cannot be read');
  const traffic = new Traffic(mount, folder, key);
  const shape = { rw: 'randread', blockSize: 4096, depth, jobs: 1, rampSeconds: 0 } as const;
  const job: FioJob = { file: mount.file('busy'), size, ...shape, seconds };
  const faults = count === 0 ? [] : await findLeaks(traffic, mount.pid, count, job);
  if (rounds > 0) {
    const { alone, beside } = await compare(traffic, job, rounds, options['pause-ms']);
    const rise = 100 * (beside / alone - 1);
    console.log(
      `p99: ${alone.toFixed(0)} us alone, ${beside.toFixed(0)} us beside: ${rise.toFixed(1)} %`,
    );
    if (rise > most) faults.push(`p99 rises by more than ${most} %`);
  }
  await mount.stop();
  for (const fault of faults) console.log(fault);
  if (faults.length === 0) console.log('no fault');
  return faults.length === 0 ? 0 : 1;
}

await runTool('live-images', main);

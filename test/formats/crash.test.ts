import { constants, readFileSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { Random } from '../../tools/exerciser/random.js';
import { Maker } from '../../tools/lib/image-maker.js';
import { KINDS, type Kind } from '../../tools/vopr/image-kinds.js';
import { FileAgent } from '../helpers/file-agent.js';
import { must } from '../helpers/run.js';
import { forceAway, startMount, withMount } from '../helpers/sluice-mount.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';
import { checkWhenReleased } from './check-when-released.js';
import { ATOM, History, stamp, type Write, ZEROS } from './history.js';
import { qemuMountTest } from './needs.js';

/** Number of crashes. SLUICE_CRASH_ROUNDS=200 makes it the long run. */
const ROUNDS = Number(process.env.SLUICE_CRASH_ROUNDS ?? 6);
/** Number of processes that write at once. */
const WRITERS = 3;
/** Images with a data file, because the test of power failures has images of one file only. */
const DATA_FILES = ['data_file=@/data.bin', 'data_file=@/data.bin,data_file_raw=on'].map(
  (options): Kind => ({
    title: options.replace('@/', ''),
    make: (maker) => maker.create('top.qcow2', '4M', options),
    alignments: [1],
    longest: 1 << 18,
  }),
);
const KILLED = [...KINDS, ...DATA_FILES];
/** With few rounds the kinds differ much from each other; many rounds cover all kinds. */
const STEP = 11;

/** The writes of several processes to a disk, and the part of them that was synced. */
class Load {
  readonly history: History;
  #now = 0;
  #version = 0;
  /** Writes answered up to this time are on the disk. */
  synced = 0;
  stopped = false;

  constructor(before: Buffer) {
    this.history = new History(before);
  }

  get now(): number {
    return this.#now;
  }

  tick(): number {
    return ++this.#now;
  }

  /** The work of one process: writes, zeroes and syncs until the daemon is dead. */
  async write(agent: FileAgent, fd: number, random: Random): Promise<void> {
    while (!this.stopped) {
      if (random.oneIn(12)) {
        const sent = this.tick();
        if ((await agent.result({ call: 'fsync', fd })) !== 0) return;
        this.synced = Math.max(this.synced, sent);
      } else if (!(await this.#writeOnce(agent, fd, random))) return;
    }
  }

  async #writeOnce(agent: FileAgent, fd: number, random: Random): Promise<boolean> {
    const { size } = this.history;
    const unit = [ATOM, 512, 4096, 65536][random.below(4)]!;
    const offset = random.below(Math.ceil(size / unit)) * unit;
    const length = Math.min(unit * (1 + random.below(unit === 65536 ? 3 : 8)), size - offset);
    if (this.history.isBusy(offset, length)) return true;
    const zeros = random.oneIn(5);
    const version = zeros ? ZEROS : ++this.#version;
    const answered = Number.POSITIVE_INFINITY;
    const write: Write = { offset, length, version, sent: this.tick(), answered, open: true };
    this.history.writes.push(write);
    const bytes = Buffer.alloc(length);
    if (!zeros) stamp(bytes, offset, length, version);
    // Punch a hole, keep the size.
    const result = zeros
      ? await agent.result({ call: 'fallocate', fd, mode: 3, offset, length })
      : await agent.write(fd, offset, bytes);
    if (result !== (zeros ? 0 : length)) return false;
    write.answered = this.tick();
    write.open = false;
    return true;
  }
}

async function read(image: string): Promise<Buffer> {
  await must('qemu-img', ['convert', '-f', 'qcow2', '-O', 'raw', image, `${image}.raw`]);
  return readFileSync(`${image}.raw`);
}

async function kill(t: ExecutionContext, maker: Maker, random: Random): Promise<void> {
  const image = maker.path('top.qcow2');
  const load = new Load(await read(image));
  const mount = await startMount(t, [image]);
  const agents = Array.from({ length: WRITERS }, () => new FileAgent(t));
  const open = (agent: FileAgent) => agent.open(mount.file('top'), constants.O_RDWR);
  const files = await Promise.all(agents.map(open));
  const writers = agents.map((agent, index) => {
    const stream = new Random(random.next(), index);
    return load.write(agent, files[index]!, stream).catch(() => {});
  });
  const timer = new Promise((resolve) => setTimeout(resolve, 20 + random.below(400)));
  await Promise.race([timer, ...writers]);
  process.kill(mount.pid, 'SIGKILL');
  load.stopped = true;
  await forceAway(mount.point);
  await Promise.all(writers);
  t.true(load.history.writes.length > 0, 'something was written');
  let check = await checkWhenReleased(image);
  const header = readFileSync(image);
  // Version 2 has no flags: there the length of a header extension is at their place.
  if (header[7]! >= 3 && (header[79]! & 1) !== 0) {
    // After a crash lazy refcounts are wrong and the image is marked as dirty: the next mount repairs it.
    await withMount(t, [image], [], async () => {});
    check = await checkWhenReleased(image);
    t.is(check.code, 0, check.stdout + check.stderr);
  }
  // 3: leaked clusters and nothing else.
  t.true(check.code === 0 || check.code === 3, check.stdout + check.stderr);
  t.is(load.history.check(await read(image), 0, load.synced, load.now), null);
}

for (let round = 0; round < ROUNDS; round++) {
  const kind = KILLED[(round * STEP + Math.floor(round / KILLED.length)) % KILLED.length]!;
  const base = round % 2 === 0 ? TMPFS : '/var/tmp';
  qemuMountTest(
    `killed under load, nothing synced is lost: seed ${round}, ${kind.title}, ${base}`,
    async (t) => {
      const maker = new Maker(tempFolder(t, base));
      kind.make(maker);
      await kill(t, maker, new Random(round, 1));
    },
  );
}

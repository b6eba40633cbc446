import { constants } from 'node:fs';
import { link, readFile, rename, truncate, unlink, writeFile } from 'node:fs/promises';
import { errnoName } from '../../src/util/errno.js';
import { outcomeOf, run } from '../lib/process.js';
import { writeContent } from '../verifier/judge.js';
import { Load } from '../verifier/load.js';
import { SECTOR, ZEROS } from '../verifier/stamps.js';
import { insist, type Place, type TestImage } from './place.js';
import { type Scenario, TRANSPORTS } from './scenario.js';

const MIB_SECTORS = 2048;
const { O_RDWR } = constants;

/** What every image of these scenarios is called in its mount. */
const named = (image: TestImage): string => `disk=${image.path}`;

/** Calls of a load before and after a fault. */
const SOME = 300;

/** A full host file system: what fits is kept, the rest is ENOSPC, and with room it goes on. */
function fullHost(format: 'raw' | 'qcow2', title: string): Scenario {
  return {
    name: `full-host-${format}`,
    needs: ['loop', 'ext4', 'qemu'],
    transports: TRANSPORTS,
    short: format === 'qcow2' ? ['uring'] : [],
    holds: `${title}: a write without room is ENOSPC and nothing else, what was answered stays, and with room it goes on`,
    async body(place) {
      const host = await place.smallHost(40);
      const ballast = `${host}/ballast`;
      await run('fallocate', ['-l', '20M', ballast]);
      const image = await place[format](`host/disk.${format}`, 128 * MIB_SECTORS);
      const mounted = await place.mount([named(image)]);
      const agent = place.agent();
      const fd = await agent.open(mounted.file(), O_RDWR);
      const allowed = new Set(['ENOSPC']);
      const load = new Load(agent, fd, image.model, place.random, { zeros: false, allowed });
      load.start();
      await untilFull(load);
      await load.progress(SOME);
      await load.stop();
      await unlink(ballast);
      await writeWithRoom(place, image, agent, fd);
      await load.close();
      await mounted.finish();
      await place.verify(image);
    },
  };
}

async function untilFull(load: Load): Promise<void> {
  for (let tries = 0; tries < 100 && !load.errors.has('ENOSPC'); tries++) await load.progress(50);
  insist(load.errors.has('ENOSPC'), 'the host never ran full');
}

/** Room was made: from now on a write succeeds. A sync may tell once of a flush that failed before. */
async function writeWithRoom(
  place: Place,
  { model }: TestImage,
  agent: ReturnType<Place['agent']>,
  fd: number,
): Promise<void> {
  const { image } = model;
  for (let i = 0; i < 8; i++) {
    const count = MIB_SECTORS;
    const sector = place.random.below(model.sectors - count);
    const change = model.begin(sector, count);
    const { generation } = change;
    const result = await agent.result({ call: 'write', fd, image, sector, count, generation });
    insist(result === count * SECTOR, `there is room, and a write returns ${result}`);
    model.answer(change, count);
  }
  for (let tries = 0; ; tries++) {
    const mark = model.sync();
    const result = await agent.result({ call: 'sync', fd });
    if (result === 0) return model.synced(mark);
    insist(tries === 0, `there is room, and a second sync returns ${errnoName(result)}`);
  }
}

/** The host runs full between the writes and the flush of the tables. */
const fullAtFlush: Scenario = {
  name: 'full-host-at-flush',
  needs: ['loop', 'ext4', 'qemu'],
  transports: TRANSPORTS,
  short: [],
  holds:
    'a flush without room fails with ENOSPC or succeeds; with room the next one succeeds, and nothing is lost',
  async body(place) {
    const host = await place.smallHost(40);
    const image = await place.qcow2('host/disk.qcow2', 512 * MIB_SECTORS, 'cluster_size=4096');
    const mounted = await place.mount([named(image)]);
    const agent = place.agent();
    const fd = await agent.open(mounted.file(), O_RDWR);
    const { model } = image;
    // Each write is far from the others: it needs a table of its own.
    for (let sector = 0; sector < model.sectors; sector += 4 * MIB_SECTORS) {
      const change = model.begin(sector, 8);
      const { generation } = change;
      const task = { call: 'write', fd, image: model.image, sector, count: 8, generation } as const;
      insist((await agent.result(task)) === 8 * SECTOR, 'there is room for the writes');
      model.answer(change, 8);
    }
    await outcomeOf('dd', ['if=/dev/zero', `of=${host}/ballast`, 'bs=4k', 'conv=fsync']);
    const result = await agent.result({ call: 'sync', fd });
    insist(result === 0 || errnoName(result) === 'ENOSPC', `sync: ${errnoName(result)}`);
    await unlink(`${host}/ballast`);
    await writeWithRoom(place, image, agent, fd);
    await agent.result({ call: 'close', fd });
    await mounted.finish();
    await place.verify(image);
  },
};

/** Loses the second half of an image beneath its mount: there the model has zeros from now on. */
function loseHalf({ model }: TestImage, generation: number): void {
  const half = model.sectors / 2;
  model.adopt(model.sectors, (sector) => (sector < half ? generation : ZEROS));
}

const truncated: Scenario = {
  name: 'host-truncated',
  needs: ['qemu'],
  transports: TRANSPORTS,
  short: ['uring'],
  holds:
    'the half that is left reads right, the other half is zeros or EIO, and both can be written',
  async body(place) {
    const image = await place.raw('disk.img', 32 * MIB_SECTORS);
    await writeContent(image.model, image.path, image.model.sectors);
    const mounted = await place.mount([named(image)]);
    const agent = place.agent();
    const fd = await agent.open(mounted.file(), O_RDWR);
    await truncate(image.path, (image.model.sectors / 2) * SECTOR);
    loseHalf(image, 1);
    const load = new Load(agent, fd, image.model, place.random, { allowed: new Set(['EIO']) });
    load.start();
    await load.progress(3 * SOME);
    await load.stop();
    await load.close();
    await mounted.finish();
    // Reads past the end of the file are zeros, and so are they here.
    await truncate(image.path, image.model.sectors * SECTOR);
    await place.verify(image);
  },
};

const truncatedTables: Scenario = {
  name: 'host-truncated-qcow2',
  needs: ['qemu'],
  transports: TRANSPORTS,
  short: [],
  holds:
    'no call hangs, no read gives bytes of another place, and the other image of the mount is not touched',
  async body(place) {
    const other = await place.raw('other.img', 8 * MIB_SECTORS);
    const content = await place.raw('content.img', 32 * MIB_SECTORS);
    await writeContent(content.model, content.path, content.model.sectors);
    const path = place.path('disk.qcow2');
    await run('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', content.path, path]);
    const mounted = await place.mount([`disk=${path}`, `other=${other.path}`]);
    const agent = place.agent();
    const fd = await agent.open(mounted.file(), O_RDWR);
    const otherFd = await agent.open(mounted.file('other'), O_RDWR);
    const load = new Load(agent, otherFd, other.model, place.random);
    load.start();
    await truncate(path, 10 << 20);
    const { image } = content.model;
    for (let sector = 0; sector < content.model.sectors; sector += MIB_SECTORS) {
      const task = { fd, image, sector, count: MIB_SECTORS } as const;
      const { result, generations } = await agent.ask({ call: 'read', ...task });
      insist(result > 0 || errnoName(result) === 'EIO', `read: ${errnoName(result)}`);
      const isWrong = (found: number): boolean => found !== ZEROS && found !== 1;
      insist(!generations!.some(isWrong), `wrong bytes within 1 MiB at sector ${sector}`);
      await agent.ask({ call: 'write', ...task, count: 64, generation: 1 });
    }
    await agent.ask({ call: 'sync', fd });
    await load.progress(SOME);
    await load.stop();
    for (const one of [fd, otherFd]) await agent.result({ call: 'close', fd: one });
    await mounted.umount();
    await mounted.ended(0, 1);
    await place.verify(other);
  },
};

/** What is done to the name of the host file while it is mounted. */
function renamed(name: string, format: 'raw' | 'qcow2', isReplaced: boolean): Scenario {
  return {
    name: `${name}-${format}`,
    needs: ['qemu'],
    transports: TRANSPORTS,
    short: format === 'raw' && isReplaced ? ['fuse-native'] : [],
    holds:
      'the mount goes on with the file that it has opened, to the end; a new file of that name is not touched',
    async body(place) {
      const image = await place[format]('disk.img', 32 * MIB_SECTORS);
      const words = format === 'qcow2' ? ['--format', 'qcow2'] : [];
      const mounted = await place.mount([named(image)], words);
      const agent = place.agent();
      const fd = await agent.open(mounted.file(), O_RDWR);
      const load = new Load(agent, fd, image.model, place.random);
      load.start();
      await load.progress(SOME);
      const kept = place.path('kept.img');
      await link(image.path, kept);
      const stranger = Buffer.alloc(1 << 20, 'a file of somebody else ');
      if (isReplaced) {
        await writeFile(place.path('new.img'), stranger);
        await rename(place.path('new.img'), image.path);
      } else await unlink(image.path);
      await load.progress(SOME);
      await load.stop();
      await load.close();
      await mounted.finish();
      await place.verify({ ...image, path: kept });
      if (!isReplaced) return;
      insist(stranger.equals(await readFile(image.path)), 'the new file was changed');
    },
  };
}

const cutDevice: Scenario = {
  name: 'loop-device-cut-short',
  needs: ['loop', 'qemu'],
  transports: TRANSPORTS,
  short: [],
  holds: 'an I/O error of the device is EIO for its own call alone; the rest of the device goes on',
  async body(place) {
    const image = await place.raw('disk.img', 32 * MIB_SECTORS);
    await writeContent(image.model, image.path, image.model.sectors);
    const device = await place.loop(image.path);
    const mounted = await place.mount([`disk=${device}`]);
    const agent = place.agent();
    const fd = await agent.open(mounted.file(), O_RDWR);
    await truncate(image.path, (image.model.sectors / 2) * SECTOR);
    loseHalf(image, 1);
    const last = image.model.sectors - 64;
    const task = { call: 'read', fd, image: image.model.image, sector: last, count: 64 } as const;
    const result = await agent.result(task);
    insist(errnoName(result) === 'EIO', `behind the end of the device's file: ${result}`);
    const load = new Load(agent, fd, image.model, place.random, { allowed: new Set(['EIO']) });
    load.start();
    await load.progress(3 * SOME);
    await load.stop();
    await load.close();
    await mounted.umount();
    await mounted.ended(0, 1);
    await place.detach(device);
    await truncate(image.path, image.model.sectors * SECTOR);
    await place.verify(image);
  },
};

export const HOST_FAULTS: readonly Scenario[] = [
  fullHost('raw', 'a sparse raw image'),
  fullHost('qcow2', 'a qcow2 image that allocates'),
  fullAtFlush,
  truncated,
  truncatedTables,
  renamed('host-replaced', 'raw', true),
  renamed('host-replaced', 'qcow2', true),
  renamed('host-removed', 'raw', false),
  renamed('host-removed', 'qcow2', false),
  cutDevice,
];

import { constants } from 'node:fs';
import { run } from '../lib/process.js';
import { checkTables, writeContent } from '../verifier/judge.js';
import { Load } from '../verifier/load.js';
import { insist, type Place, type TestImage } from './place.js';
import { type Scenario, TRANSPORTS } from './scenario.js';

const MIB_SECTORS = 2048;
const { O_RDONLY, O_RDWR } = constants;

/** Room for an image of 32 MiB with its tables. */
const OUTER = 64 * MIB_SECTORS;
const INNER = 32 * MIB_SECTORS;

const writableTwice: Scenario = {
  name: 'writable-twice',
  needs: ['qemu'],
  transports: TRANSPORTS,
  short: ['uring'],
  holds:
    'the second mount is refused with exit code 3 and a sentence; the first one does not notice',
  async body(place) {
    for (const format of ['raw', 'qcow2'] as const) {
      const image = await place[format](`disk.${format}`, 16 * MIB_SECTORS);
      const mounted = await place.mount([`disk=${image.path}`]);
      const agent = place.agent();
      const fd = await agent.open(mounted.file(), O_RDWR);
      const load = new Load(agent, fd, image.model, place.random);
      load.start();
      await load.progress(100);
      const second = await place.startMount([`disk=${image.path}`]);
      await second.ended(3);
      const said = second.output();
      const isNamed =
        said.includes(`disk.${format}: in use for writing`) &&
        said.includes(`(pid ${mounted.pid})`);
      insist(isNamed && !said.includes('\n'), `the second mount says: ${said}`);
      insist(!(await second.isMounted()), 'the second mount is mounted');
      await load.progress(100);
      await load.stop();
      await load.close();
      await mounted.finish();
      await place.verify(image);
    }
  },
};

const readTwice: Scenario = {
  name: 'read-only-twice',
  needs: ['qemu'],
  transports: TRANSPORTS,
  short: [],
  holds:
    'two mounts that only read serve the same bytes; a third that writes is refused until both are gone',
  async body(place) {
    const image = await place.raw('disk.img', 16 * MIB_SECTORS);
    const { model, path } = image;
    await writeContent(model, path, model.sectors);
    const agent = place.agent();
    const mounts = [];
    for (let i = 0; i < 2; i++) mounts.push(await place.mount([`disk=${path}`], ['--read-only']));
    for (const mounted of mounts) {
      const fd = await agent.open(mounted.file(), O_RDONLY);
      for (let sector = 0; sector < model.sectors; sector += MIB_SECTORS) {
        const task = { fd, image: model.image, sector, count: MIB_SECTORS } as const;
        const { generations } = await agent.ask({ call: 'read', ...task });
        const wrong = model.difference(sector, generations!, 'kept');
        insist(wrong === null && generations!.length === MIB_SECTORS, wrong ?? 'a short read');
      }
      await agent.result({ call: 'close', fd });
    }
    const early = await place.startMount([`disk=${path}`]);
    await early.ended(3);
    insist(/in use by .*--read-only/.test(early.output()), `a writer says: ${early.output()}`);
    for (const mounted of mounts) await mounted.finish();
    const writer = await place.mount([`disk=${path}`]);
    await writer.finish();
    await place.verify(image);
  },
};

/** A qcow2 image in the disk of another one. The model is that of the inner one. */
async function makeNested(place: Place): Promise<{ outer: TestImage; inner: TestImage }> {
  const inner = await place.qcow2('inner.qcow2', INNER);
  const outer = await place.qcow2('outer.qcow2', OUTER);
  const words = ['convert', '-n', '-f', 'raw', '-O', 'qcow2', inner.path, outer.path];
  await run('qemu-img', words);
  return { outer, inner };
}

/** Takes the inner image out of the outer one, by qemu-img. */
async function unpack(outer: TestImage, inner: TestImage): Promise<void> {
  await run('qemu-img', ['convert', '-f', 'qcow2', '-O', 'raw', outer.path, inner.path]);
}

/** Mounts one inside the other, and begins to use the inner one. */
async function mountNested(place: Place) {
  const { outer, inner } = await makeNested(place);
  const below = await place.mount([`disk=${outer.path}`]);
  const above = await place.mount([`disk=${below.file()}`], ['--format', 'qcow2']);
  const agent = place.agent();
  const fd = await agent.open(above.file(), O_RDWR);
  const load = new Load(agent, fd, inner.model, place.random);
  load.start();
  return { outer, inner, below, above, load };
}

const nested: Scenario = {
  name: 'image-in-image',
  needs: ['qemu'],
  transports: TRANSPORTS,
  short: ['uring'],
  holds:
    'an image inside a mounted image is served; the outer mount is busy until the inner one is gone',
  async body(place) {
    const { outer, inner, below, above, load } = await mountNested(place);
    await load.progress(200);
    const busy = await below.umount();
    insist(busy.code === 1, `the outer mount in use: umount ends with ${busy.code}`);
    insist(busy.stderr.includes(`(pid ${above.pid})`), `it says: ${busy.stderr}`);
    await load.progress(200);
    await load.stop();
    await load.close();
    await above.finish();
    await below.finish();
    await unpack(outer, inner);
    await place.verify(inner);
  },
};

const nestedKilled: Scenario = {
  name: 'image-in-image-killed',
  needs: ['qemu'],
  transports: TRANSPORTS,
  short: [],
  holds:
    'the outer daemon is killed: every call on the inner mount ends with an error, and what was synced is there',
  async body(place) {
    const { outer, inner, below, above, load } = await mountNested(place);
    await load.progress(400);
    load.allow('EIO', 'ENOTCONN', 'ECONNABORTED');
    below.signal('SIGKILL');
    await load.stop();
    await load.close();
    const ended = await above.umount();
    insist(ended.code === 0 || ended.code === 1, `inner umount: ${ended.code} ${ended.stderr}`);
    await above.ended(0, 1);
    await below.ended(null);
    const removed = await below.umount();
    insist(removed.code === 0, `outer umount: ${removed.stderr}`);
    await checkTables(outer, 'leaks at most');
    await unpack(outer, inner);
    await place.verify(inner, 'cut', 'leaks at most');
  },
};

export const SEVERAL_MOUNTS: readonly Scenario[] = [writableTwice, readTwice, nested, nestedKilled];

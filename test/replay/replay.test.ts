import { copyFileSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { Random } from '../../tools/exerciser/random.js';
import { Maker } from '../../tools/lib/image-maker.js';
import { KINDS as ALL_KINDS, type Kind } from '../../tools/vopr/image-kinds.js';
import { cutOff } from '../../tools/vopr/power-cut.js';
import type { History } from '../formats/history.js';
import { qemuTest } from '../formats/needs.js';
import { must } from '../helpers/run.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';
import { openImage, type Plan, Session } from './session.js';

/** Number of power failures; SLUICE_REPLAY_ROUNDS=1000 makes it the long run. */
const ROUNDS = Number(process.env.SLUICE_REPLAY_ROUNDS ?? 100);
const SEED = Number(process.env.SLUICE_REPLAY_SEED ?? 0);
/** Number of moments at which a session is cut off. */
const CUTS = 5;
/** Room on a device for the tables of a disk that is full, and for clusters that are used again late. */
const ROOM = 4 << 20;
/** Number of images checked at the same time. */
const JUDGES = 3;
const IMAGE = 'top.qcow2';
/** All but those that qemu-img complains of as they are. */
const KINDS = ALL_KINDS.filter(({ endsEarly }) => endsEarly !== true);

/** Makes the files of a kind once; `raw` has the contents of the disk. */
async function prepare(t: ExecutionContext, kind: Kind): Promise<{ folder: string; raw: Buffer }> {
  const maker = new Maker(tempFolder(t, TMPFS));
  kind.make(maker);
  const [made] = await askQemu([maker.path(IMAGE)]);
  return { folder: maker.folder, raw: made!.raw() };
}

/** What qemu-img says of an image. */
interface Opinion {
  /** Exit code of `qemu-img check`, and what it printed. 3: leaked clusters and nothing else. */
  code: number;
  text: string;
  /** The contents of the disk. */
  raw: () => Buffer;
}

/** Checks and converts each image of a list. */
const ASK = `for image; do
  qemu-img check -f qcow2 "$image" > "$image.check" 2>&1
  echo $?
  qemu-img convert -f qcow2 -O raw "$image" "$image.raw"
done`;

/**
 * Asks about many images at once, in a shell: this process has so much memory mapped that starting a
 * process takes ten times as long as qemu-img does.
 */
async function askQemu(images: readonly string[]): Promise<Opinion[]> {
  const codes = (await must('sh', ['-c', ASK, 'ask', ...images])).trim().split('\n').map(Number);
  return images.map((image, index) => ({
    code: codes[index]!,
    text: readFileSync(`${image}.check`, 'utf8'),
    raw: () => readFileSync(`${image}.raw`),
  }));
}

/** The files of an image and of what was said of it. */
function removeAll(images: readonly string[]): void {
  for (const image of images) {
    for (const ending of ['', '.check', '.raw']) rmSync(`${image}${ending}`, { force: true });
  }
}

/** The conditions of a session, for the message of a failure. */
function how({ alignment, ending, requests, depth, faults, growth, device }: Plan): string {
  const io = `alignment ${alignment}, ${ending}, ${requests} requests, ${depth} deep`;
  return `${io}, faults ${faults}, growth ${growth}, device ${device}`;
}

/** A finished session and its image. */
interface Played {
  session: Session;
  /** Path of the image. Further files of the session have longer paths with this beginning. */
  image: string;
  random: Random;
}

async function play(
  folder: string,
  raw: Buffer,
  kind: Kind,
  seed: number,
  own: Partial<Plan> = {},
): Promise<Played> {
  const random = new Random(seed, 2);
  const image = join(folder, `session${seed}`);
  copyFileSync(join(folder, IMAGE), image);
  const plan: Plan = {
    image,
    raw,
    alignment: kind.alignments[random.below(kind.alignments.length)]!,
    ending: (['later', 'linked', 'at once'] as const)[random.below(3)]!,
    requests: 20 + random.below(120),
    depth: 1 + random.below(8),
    longest: kind.longest,
    growth: kind.growth !== undefined && random.oneIn(2) ? raw.length * kind.growth : 0,
    device: 0,
    faults: 0,
  };
  const { size } = statSync(image);
  if (random.oneIn(4)) plan.device = size + Math.max(raw.length, plan.growth) + ROOM;
  if (random.oneIn(4)) plan.faults = 20 + random.below(200);
  const session = await Session.begin({ ...plan, ...own }, random);
  try {
    await session.run();
  } finally {
    session.finish();
  }
  return { session, image, random };
}

/** A session cut off at some moments: none must be corrupt, and no synced write may be lost. */
async function judgeAll({ session, image, random }: Played): Promise<string | null> {
  const { history, before, host } = session;
  const { record } = host;
  const cuts = Array.from({ length: CUTS }, (_, cut) => {
    const at = random.below(record.now + 1);
    const name = `${image}-cut${cut}`;
    const content = cutOff(before, record, 0, at, random);
    writeFileSync(name, content);
    return { at, name, dirty: (content[79]! & 1) !== 0 };
  });
  // After a failure lazy refcounts are wrong and the image is marked as dirty: opening it repairs it.
  for (const { name, dirty } of cuts) if (dirty) (await openImage(name)).close();
  const images = [...cuts.map(({ name }) => name), image];
  const opinions = await askQemu(images);
  const wrongs = cuts.map(({ at }, cut) => {
    const { code, text, raw } = opinions[cut]!;
    const isSound = code === 0 || code === 3;
    const wrong = isSound ? history.checkWhole(raw(), session.syncedAt(at), at) : text;
    return wrong === null ? null : `cut ${cut} at ${at} of ${record.now}: ${wrong}`;
  });
  wrongs.push(judgeEnd(history, opinions[CUTS]!, record.tick()));
  removeAll(images);
  return wrongs.find((wrong) => wrong !== null) ?? null;
}

/** The regular end of a session: in spite of all errors of the host there must be no leaked cluster. */
function judgeEnd(history: History, { code, text, raw }: Opinion, end: number): string | null {
  const wrong = code === 0 ? history.checkWhole(raw(), end, end) : text;
  return wrong === null ? null : `after the end: ${wrong}`;
}

const sessions = Math.ceil(ROUNDS / CUTS / KINDS.length);

for (const [number, kind] of KINDS.entries()) {
  qemuTest(`power fails at any moment, nothing synced is lost: ${kind.title}`, async (t) => {
    const { folder, raw } = await prepare(t, kind);
    const judging = new Set<Promise<void>>();
    try {
      for (let i = 0; i < sessions; i++) {
        const seed = SEED + i * KINDS.length + number;
        // Sessions share memory and run one at a time. Checking their images takes longer.
        const played = await play(folder, raw, kind, seed);
        const judged: Promise<void> = judgeAll(played).then((wrong) => {
          t.is(wrong, null, `seed ${seed}, ${how(played.session.plan)}`);
          judging.delete(judged);
        });
        judging.add(judged);
        if (judging.size >= JUDGES) await Promise.race(judging);
      }
    } finally {
      await Promise.allSettled(judging);
    }
    await Promise.all(judging);
  });
}

/** SLUICE_REPLAY_STEP=1 lets every single operation of the host fail; else each tenth does. */
const STEP = Number(process.env.SLUICE_REPLAY_STEP ?? 10);
const ONE_BY_ONE = ['clusters of 4 KiB', 'subclusters in 16 KiB', 'lazy refcounts'];

for (const kind of KINDS.filter(({ title }) => ONE_BY_ONE.includes(title))) {
  qemuTest(`each operation of the host fails once: ${kind.title}`, async (t) => {
    const { folder, raw } = await prepare(t, kind);
    const plan = { requests: 40, depth: 4, device: 0, faults: 0, ending: 'later' as const };
    const whole = await play(folder, raw, kind, SEED, { ...plan, failing: Infinity });
    const { operations } = whole.session;
    t.true(operations > 40, `${operations} operations`);
    const ends: { name: string; history: History; end: number }[] = [];
    for (let failing = 1; failing <= operations; failing += STEP) {
      const { session, image } = await play(folder, raw, kind, SEED, { ...plan, failing });
      const name = `${image}-failing${failing}`;
      renameSync(image, name);
      ends.push({ name, history: session.history, end: session.host.record.tick() });
    }
    const opinions = await askQemu(ends.map(({ name }) => name));
    for (const [index, { name, history, end }] of ends.entries()) {
      t.is(judgeEnd(history, opinions[index]!, end), null, name);
    }
  });
}

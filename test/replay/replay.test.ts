import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { Random } from '../../tools/exerciser/random.js';
import { Maker } from '../../tools/lib/image-maker.js';
import { KINDS, type Kind } from '../../tools/vopr/image-kinds.js';
import { cutOff } from '../../tools/vopr/power-cut.js';
import { qemuTest } from '../formats/needs.js';
import { must, run } from '../helpers/run.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';
import { openImage, type Plan, Session } from './session.js';

/** Number of power failures; SLUICE_REPLAY_ROUNDS=1000 makes it the long run. */
const ROUNDS = Number(process.env.SLUICE_REPLAY_ROUNDS ?? 240);
const SEED = Number(process.env.SLUICE_REPLAY_SEED ?? 0);
/** Number of moments at which a session is cut off. */
const CUTS = 5;
/** Number of images checked at the same time. */
const JUDGES = 3;
const IMAGE = 'top.qcow2';

/** Makes the files of a kind once; `raw` has the contents of the disk. */
async function prepare(t: ExecutionContext, kind: Kind): Promise<{ folder: string; raw: Buffer }> {
  const maker = new Maker(tempFolder(t, TMPFS));
  kind.make(maker);
  const raw = await read(maker.path(IMAGE));
  return { folder: maker.folder, raw };
}

/** The contents of the disk as read by qemu-img. */
async function read(image: string): Promise<Buffer> {
  const raw = `${image}.raw`;
  await must('qemu-img', ['convert', '-f', 'qcow2', '-O', 'raw', image, raw]);
  const bytes = readFileSync(raw);
  rmSync(raw);
  return bytes;
}

/** Checks an interrupted image: it must not be corrupt, and no synced write may be lost. */
async function judge(session: Session, image: string, at: number): Promise<string | null> {
  // After a failure lazy refcounts are wrong and the image is marked as dirty: opening it repairs it.
  if ((readFileSync(image)[79]! & 1) !== 0) (await openImage(image)).close();
  const check = await run('qemu-img', ['check', '-f', 'qcow2', image]);
  // 3: leaked clusters and nothing else.
  if (check.code !== 0 && check.code !== 3) return check.stdout + check.stderr;
  return session.history.checkWhole(await read(image), session.syncedAt(at), at);
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
  const session = await Session.begin(
    {
      image,
      raw,
      alignment: kind.alignments[random.below(kind.alignments.length)]!,
      ending: (['later', 'linked', 'at once'] as const)[random.below(3)]!,
      requests: 20 + random.below(120),
      depth: 1 + random.below(8),
      longest: kind.longest,
      growth: kind.growth !== undefined && random.oneIn(2) ? raw.length * kind.growth : 0,
      device: random.oneIn(4) ? 24 * 1024 * 1024 : 0,
      faults: random.oneIn(4) ? 20 + random.below(200) : 0,
      ...own,
    },
    random,
  );
  try {
    await session.run();
  } finally {
    session.finish();
  }
  return { session, image, random };
}

/** Checks a session cut off at some moments, and its regular end. */
async function judgeAll({ session, image, random }: Played): Promise<string | null> {
  const { record } = session.host;
  for (let cut = 0; cut < CUTS; cut++) {
    const at = random.below(record.now + 1);
    const name = `${image}-cut`;
    writeFileSync(name, cutOff(session.before, record, 0, at, random));
    const wrong = await judge(session, name, at);
    if (wrong !== null) return `cut ${cut} at ${at} of ${record.now}: ${wrong}`;
    rmSync(name);
  }
  const check = await run('qemu-img', ['check', '-f', 'qcow2', image]);
  // In spite of all errors of the host there must be no leaked cluster.
  if (check.code !== 0) return `after the end: ${check.stdout}${check.stderr}`;
  const end = record.tick();
  const wrong = session.history.checkWhole(await read(image), end, end);
  rmSync(image);
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

/** SLUICE_REPLAY_STEP=1 lets every single operation of the host fail; else each fifth does. */
const STEP = Number(process.env.SLUICE_REPLAY_STEP ?? 5);
const ONE_BY_ONE = ['clusters of 4 KiB', 'subclusters in 16 KiB', 'lazy refcounts'];

for (const kind of KINDS.filter(({ title }) => ONE_BY_ONE.includes(title))) {
  qemuTest(`each operation of the host fails once: ${kind.title}`, async (t) => {
    const { folder, raw } = await prepare(t, kind);
    const plan = { requests: 40, depth: 4, device: 0, faults: 0, ending: 'later' as const };
    const whole = await play(folder, raw, kind, SEED, { ...plan, failing: Infinity });
    const { operations } = whole.session;
    t.true(operations > 40, `${operations} operations`);
    for (let failing = 1; failing <= operations; failing += STEP) {
      const { session, image } = await play(folder, raw, kind, SEED, { ...plan, failing });
      const check = await run('qemu-img', ['check', '-f', 'qcow2', image]);
      t.is(check.code, 0, `operation ${failing}: ${check.stdout}`);
      const end = session.host.record.tick();
      t.is(session.history.checkWhole(await read(image), end, end), null, `operation ${failing}`);
    }
  });
}

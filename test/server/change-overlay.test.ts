import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import type { ExecutionContext } from 'ava';
import type { Engine } from '../../src/host/engine.js';
import { LocalFile } from '../../src/host/local-file.js';
import { SyncWriter } from '../../src/host/sync-writer.js';
import { changeOverlay } from '../../src/server/change-overlay.js';
import type { OverlayAction } from '../../src/server/config.js';
import { Maker } from '../../tools/lib/image-maker.js';
import { qemuTest } from '../formats/needs.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';

const SILENT = { info: () => {}, warn: () => {}, error: () => {} };
const EIO = 5;
const BASES = [
  { format: 'raw', base: 'base.img' },
  { format: 'qcow2', base: 'base.qcow2' },
] as const;

function change(maker: Maker, action: OverlayAction, engine?: Engine): Promise<void> {
  const asked = { action, path: maker.path('over.qcow2'), format: 'auto', backingFormats: [] };
  return changeOverlay({ ...asked, snapshot: null }, SILENT, () => {}, engine);
}

/** A base with an overlay, longer than it, that has data, zeros and a discard; `model` is what they read together. */
function make(t: ExecutionContext, format: string, base: string): Maker {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.img('create', '-q', '-f', format, base, '1M');
  maker.io(base, format, 'write -P 9 0 512k');
  maker.img('create', '-q', '-f', 'qcow2', '-b', base, '-F', format, 'over.qcow2', '2M');
  maker.io('over.qcow2', 'qcow2', 'write -P 1 60k 9k', 'write -z 128k 64k', 'write -P 2 1900k 70k');
  maker.img('convert', '-O', 'raw', 'over.qcow2', 'model');
  return maker;
}

/** Throws unless the overlay, over its base, reads as the model, and both are in order. */
function checkTruth(maker: Maker, format: string, base: string, mayLeak: boolean): void {
  maker.img('compare', '-f', 'raw', '-F', 'qcow2', 'model', 'over.qcow2');
  maker.img('check', '-f', 'qcow2', 'over.qcow2');
  if (format !== 'qcow2') return;
  try {
    maker.img('check', base);
  } catch (error) {
    // Exit code 3: clusters are leaked, and nothing else is wrong.
    if (!mayLeak || (error as { status: number }).status !== 3) throw error;
  }
}

/** Throws unless the base alone has what the model has, and the overlay nothing. */
function checkCommitted(maker: Maker, format: string, base: string): void {
  maker.img('compare', '-f', 'raw', '-F', format, 'model', base);
  const info = execFileSync('qemu-img', ['info', '--output=json', maker.path(base)]);
  const { 'virtual-size': size } = JSON.parse(String(info));
  if (size !== 2 << 20) throw new Error(`the base has ${size} bytes`);
  const map = execFileSync('qemu-img', ['map', '--output=json', 'over.qcow2'], {
    cwd: maker.folder,
    encoding: 'utf8',
  });
  const own = (JSON.parse(map) as { depth: number; present?: boolean }[]).filter(
    ({ depth }) => depth === 0,
  );
  if (own.length > 0) throw new Error(`the overlay has ${map}`);
}

class Killed extends Error {}

const CHANGES: readonly string[] = ['write', 'flush', 'allocate', 'resize'];

/**
 * An engine that notes its changes of files.
 * @param at The number of the one that fails, or after which the process is dead; -1: none.
 */
function failing(at: number, kind: 'fails' | 'is killed') {
  const inner = new SyncWriter();
  const kinds: string[] = [];
  const engine = new Proxy(inner, {
    get(_, name: keyof SyncWriter) {
      const call = inner[name].bind(inner) as (...args: unknown[]) => number;
      return (...args: unknown[]) => {
        if (kind === 'is killed' && at >= 0 && kinds.length > at && name !== 'remove') {
          throw new Killed();
        }
        if (!CHANGES.includes(name)) return call(...args);
        kinds.push(name);
        return kind === 'fails' && kinds.length - 1 === at ? -EIO : call(...args);
      };
    },
  });
  return { engine: engine as Engine, kinds };
}

for (const { format, base } of BASES) {
  qemuTest(`${format}: a commit moves what the overlay has, a reset drops it`, async (t) => {
    const maker = make(t, format, base);
    chmodSync(maker.path('over.qcow2'), 0o640);
    const before = readFileSync(maker.path(base));
    await change(maker, 'commit');
    checkTruth(maker, format, base, false);
    checkCommitted(maker, format, base);
    t.is(statSync(maker.path('over.qcow2')).mode & 0o777, 0o640);
    t.deepEqual(readdirSync(maker.folder).sort(), [base, 'model', 'over.qcow2']);
    maker.io('over.qcow2', 'qcow2', 'write -P 5 0 2M');
    const committed = readFileSync(maker.path(base));
    t.false(committed.equals(before));
    await change(maker, 'reset');
    t.true(readFileSync(maker.path(base)).equals(committed));
    checkTruth(maker, format, base, false);
    // Nothing is there to be committed.
    await change(maker, 'commit');
    checkTruth(maker, format, base, false);
  });

  for (const kind of ['fails', 'is killed'] as const) {
    qemuTest(
      `${format}: each operation of a commit ${kind}: the overlay is the truth, and it starts again`,
      async (t) => {
        const template = make(t, format, base);
        const copy = (): Maker => {
          const maker = new Maker(tempFolder(t, TMPFS));
          cpSync(template.folder, maker.folder, { recursive: true });
          return maker;
        };
        const over = readFileSync(template.path('over.qcow2'));
        const counted = failing(-1, kind);
        await change(copy(), 'commit', counted.engine);
        t.is(counted.kinds.at(-1), 'flush');
        t.true(counted.kinds.includes('resize') || format === 'qcow2');
        for (let at = 0; at < counted.kinds.length; at++) {
          const maker = copy();
          const { engine } = failing(at, kind);
          const error = await change(maker, 'commit', engine).then(
            () => null,
            (reason: Error) => reason,
          );
          const what = `${counted.kinds[at]} ${at}`;
          if (error !== null) {
            if (kind === 'fails')
              t.regex(
                error.message,
                /base\.\w+: cannot be written: .*EIO.*; the overlay has everything still/,
              );
            t.true(readFileSync(maker.path('over.qcow2')).equals(over), what);
            checkTruth(maker, format, base, true);
          } else {
            // A write that stopped short goes on, and where no hole can be made, zeros are written. After its last
            // operation a process that is killed had done all.
            const isLast = at === counted.kinds.length - 1;
            t.true(kind === 'fails' ? counted.kinds[at] !== 'flush' : isLast, what);
            checkCommitted(maker, format, base);
          }
          // What a killed process leaves.
          writeFileSync(maker.path('.over.qcow2.sluice-new'), 'half');
          await change(maker, 'commit');
          checkTruth(maker, format, base, true);
          checkCommitted(maker, format, base);
        }
      },
    );
  }
}

qemuTest(
  'files that somebody uses, or that cannot be emptied or written, stay as they are',
  async (t) => {
    const maker = make(t, 'raw', 'base.img');
    const [base, over] = [maker.path('base.img'), maker.path('over.qcow2')];
    const bytes = [readFileSync(base), readFileSync(over)];
    const refused = async (action: OverlayAction, message: RegExp): Promise<void> => {
      await t.throwsAsync(change(maker, action), { message });
      t.deepEqual(
        [readFileSync(base), readFileSync(over)].map((one, i) => one.equals(bytes[i]!)),
        [true, true],
      );
      t.deepEqual(readdirSync(maker.folder).sort(), ['base.img', 'model', 'over.qcow2']);
    };
    const reader = new LocalFile(base);
    reader.lock(false);
    await refused('commit', /base\.img: in use by .*; nothing was committed$/);
    reader.close();
    const user = new LocalFile(over);
    user.lock(false);
    for (const action of ['commit', 'reset'] as const)
      await refused(action, /over\.qcow2: in use by/);
    user.close();
    maker.img('snapshot', '-c', 'one', 'over.qcow2');
    bytes[1] = readFileSync(over);
    for (const action of ['commit', 'reset'] as const) {
      await refused(action, /over\.qcow2: it has internal snapshots/);
    }
    maker.img('snapshot', '-d', 'one', 'over.qcow2');
    maker.img('rebase', '-u', '-b', '', 'over.qcow2');
    bytes[1] = readFileSync(over);
    await refused('commit', /it is no overlay: no qcow2 image over another one/);
  },
);

qemuTest(
  'an image that cannot be written is refused, whatever its advice for a mount is',
  async (t) => {
    const maker = new Maker(tempFolder(t, TMPFS));
    maker.img('create', '-q', '-f', 'vmdk', 'base.vmdk', '1M');
    maker.img('create', '-q', '-f', 'qcow2', '-b', 'base.vmdk', '-F', 'vmdk', 'over.qcow2');
    const message = /base\.vmdk: .* cannot be written; nothing was committed$/;
    await t.throwsAsync(change(maker, 'commit'), { message });
    await change(maker, 'reset');
  },
);

qemuTest(
  'an overlay that is reached by a link stays where it is, with the name that it has for its base',
  async (t) => {
    const maker = make(t, 'raw', 'base.img');
    const folder = tempFolder(t, TMPFS);
    symlinkSync(maker.path('base.img'), `${folder}/base.img`);
    symlinkSync(maker.path('over.qcow2'), `${folder}/link`);
    const asked = { action: 'commit', path: `${folder}/link`, snapshot: null } as const;
    const how = { format: 'qcow2', backingFormats: [] };
    await changeOverlay({ ...asked, ...how }, SILENT, () => {});
    checkTruth(maker, 'raw', 'base.img', false);
    checkCommitted(maker, 'raw', 'base.img');
    t.deepEqual(readdirSync(folder).sort(), ['base.img', 'link']);
  },
);

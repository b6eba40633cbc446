import fs, { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import test, { type ExecutionContext } from 'ava';
import { openDisks } from '../../src/server/open-disks.js';
import { OpenImages } from '../../src/server/open-images.js';
import { openLive } from '../../src/server/open-live.js';
import { SluiceError } from '../../src/util/errors.js';
import { Maker } from '../../tools/lib/image-maker.js';
import { checkQcow } from '../../tools/vopr/qcow-check.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';
import { qemuTest } from './needs.js';

// Each operation on host files that the control plane makes fails in turn, once and with all later ones. (Those of the
// data plane fail in turn in the simulator: `vopr --each`.)

const DIRTY_BYTE = 79;
const QUIET = { info() {}, warn() {}, error() {} };

/** Calls that can fail. Those that close or remove something are left alone: nobody asks for their result. */
const CALLS = [
  'openSync',
  'readSync',
  'writeSync',
  'fsyncSync',
  'ftruncateSync',
  'fstatSync',
] as const;

/** The calls of Node.js for files, of which one fails. */
class Calls {
  /** Calls so far. */
  count = 0;
  /** This one fails, counted from 1; 0: none. */
  #failing = 0;
  #forever = false;
  readonly #originals = CALLS.map((name) => [name, fs[name]] as const);

  constructor(t: ExecutionContext) {
    for (const [name, call] of this.#originals) {
      const replaced = (...words: unknown[]): unknown => {
        this.count++;
        const { count } = this;
        if (count === this.#failing || (this.#forever && count > this.#failing)) {
          throw Object.assign(new Error(`EIO: i/o error, ${name}`), { code: 'EIO' });
        }
        return (call as (...words: unknown[]) => unknown)(...words);
      };
      Object.assign(fs, { [name]: replaced });
    }
    syncBuiltinESMExports();
    t.teardown(() => {
      Object.assign(fs, Object.fromEntries(this.#originals));
      syncBuiltinESMExports();
    });
  }

  fail(call: number, forever: boolean): void {
    this.count = 0;
    this.#failing = call;
    this.#forever = forever;
  }

  reset(): void {
    this.#failing = 0;
    this.#forever = false;
  }
}

function openFiles(): string[] {
  return readdirSync('/proc/self/fd');
}

/**
 * Lets each call of `act` fail in turn. It ends with a sentence that names the errno, and leaves no file open; or the
 * call did not matter.
 *
 * @param judge Looks at what is left, with the error.
 */
async function failEach(
  t: ExecutionContext,
  act: () => Promise<void>,
  judge: (error: unknown) => Promise<void>,
): Promise<number> {
  const calls = new Calls(t);
  await act();
  const { count } = calls;
  await judge(null);
  const before = openFiles().length;
  for (const forever of [false, true]) {
    for (let call = 1; call <= count; call++) {
      calls.fail(call, forever);
      const error = await act().then(
        () => null,
        (reason: unknown) => reason,
      );
      calls.reset();
      const what = `call ${call}${forever ? ' and all later ones' : ''}`;
      t.true(error === null || error instanceof SluiceError, `${what}: ${error}`);
      if (forever) t.not(error, null, what);
      t.is(openFiles().length, before, what);
      await judge(error);
    }
  }
  return count;
}

const shape = {
  ...{ readOnly: false, owner: null, mode: null, growable: false, direct: false, metadataCache: 0 },
  ...{ passthrough: [], nbd: { timeoutMs: 0, connections: 1 }, partitions: null },
};

function optionsOf(path: string, format: string, overlay?: string) {
  const image = { name: 'top', path, format, backingFormats: [], snapshot: null };
  return { ...shape, images: [overlay === undefined ? image : { ...image, overlay }] };
}

qemuTest('a repair of which any operation fails can be made again', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.create('top.qcow2', '4M', 'lazy_refcounts=on,cluster_size=4k');
  maker.io('top.qcow2', 'qcow2', 'write -P 1 0 64k', 'write -P 2 1M 64k');
  const path = maker.path('top.qcow2');
  const bytes = readFileSync(path);
  // The refcounts are those of the empty image, and the mark says so.
  bytes[DIRTY_BYTE]! |= 1;
  const block = Number(bytes.readBigUInt64BE(Number(bytes.readBigUInt64BE(48))));
  bytes.fill(0, block + 16, block + 4096);
  writeFileSync(path, bytes);
  const work = maker.path('work.qcow2');
  const count = await failEach(
    t,
    async () => {
      copyFileSync(path, work);
      const opened: OpenImages = await openDisks(optionsOf(work, 'qcow2'), QUIET);
      opened.close();
    },
    async () => {
      const again = await openDisks(optionsOf(work, 'qcow2'), QUIET);
      again.close();
      t.deepEqual(checkQcow(readFileSync(work)), { leaks: 0, broken: null });
    },
  );
  t.true(count > 20, String(count));
});

test.serial(
  'an overlay of which any operation fails is not there, and an image that cannot come leaves none',
  async (t) => {
    const folder = tempFolder(t, TMPFS);
    const base = `${folder}/base.img`;
    const overlay = `${folder}/overlay.qcow2`;
    writeFileSync(base, Buffer.alloc(1 << 20, 7));
    const live = { options: optionsOf(base, 'raw', overlay), mounted: [], logFile: null };
    let first: Buffer | null = null;
    const count = await failEach(
      t,
      async () => {
        const { image } = await openLive(live, QUIET, () => {});
        new OpenImages([image]).close();
      },
      async (error) => {
        t.is(existsSync(overlay), error === null);
        if (error !== null) return;
        first ??= readFileSync(overlay);
        t.true(readFileSync(overlay).equals(first));
        fs.rmSync(overlay);
      },
    );
    t.true(count > 20, String(count));
  },
);

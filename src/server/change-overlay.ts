import { realpathSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Engine } from '../host/engine.js';
import { makeAlike, replaceFile } from '../host/file-edit.js';
import { SyncWriter } from '../host/sync-writer.js';
import { commitLayer } from '../image/commit.js';
import { formatNamed, overlayFormat } from '../image/formats.js';
import { METADATA_CACHE_BYTES } from '../image/image-config.js';
import {
  type ChainOptions,
  type OpenChain,
  type OpenLayer,
  openChain,
} from '../image/open-chain.js';
import { unsupported } from '../image/refusal.js';
import { EXIT_FAILED, REMEDY, SluiceError } from '../util/errors.js';
import { checkImages } from './check-images.js';
import type { DiskOptions, OverlayAction } from './config.js';
import type { Log } from './log.js';
import { openDisks } from './open-disks.js';

/** A change of an overlay that nobody has open. Plain data. */
export interface OverlayChange extends ChainOptions {
  action: OverlayAction;
  /** Of the overlay, absolute. */
  path: string;
}

type Warn = (text: string) => void;

/** An open chain of which the first layer is an overlay. */
interface Pair {
  overlay: OpenLayer;
  below: OpenLayer;
}

/**
 * Empties an overlay, for `commit` when all that it has is in the image below and on the disk. Until the very end
 * the overlay is as it was, so this can be broken off at any moment, and started again: then an empty overlay takes
 * its place within one step.
 *
 * @param engine Writes the image below.
 * @throws SluiceError exit code 3 for files that are in use or cannot be written, or an overlay with more than
 *   writes in it; 1 if the host fails
 */
export async function changeOverlay(
  change: OverlayChange,
  log: Log,
  warn: Warn,
  engine: Engine = new SyncWriter(),
): Promise<void> {
  const { action, path } = change;
  const chain = openChain(path, change, (file, isTop) => {
    if (isTop) file.lock(true);
  });
  try {
    const pair = pairOf(chain, path);
    if (action === 'commit') checkLocal(chain, path);
    const { overlay, below } = pair;
    overlay.file.checkWritable();
    // Made first: whoever cannot make it need not write a byte.
    const size = (action === 'commit' ? overlay : below).image.size;
    const real = realpathSync(path);
    const empty = makeEmpty(real, pair, size);
    try {
      if (action === 'commit') await commit(chain, change, log, warn, engine);
      overlay.file.checkName();
      replaceFile(real, empty);
    } finally {
      rmSync(empty, { force: true });
    }
  } finally {
    chain.close();
  }
}

/** @throws SluiceError ENOTSUP, exit code 3, for what an empty overlay in its place would not have */
function pairOf({ layers }: OpenChain, path: string): Pair {
  const [overlay, below] = layers as [OpenLayer, ...OpenLayer[]];
  const { name } = overlayFormat();
  if (overlay.format !== name || below === undefined) {
    throw unsupported(path, `it is no overlay: no ${name} image over another one`);
  }
  const { file, image } = overlay;
  if (file.blockDevice) throw unsupported(path, 'an overlay on a block device cannot be emptied');
  if (image.dataFiles.length > 0) {
    throw unsupported(path, 'an overlay with an external data file cannot be emptied');
  }
  const snapshots = image.describe().snapshots.length;
  if (snapshots > 0) {
    const what =
      'it has internal snapshots, which would be lost; delete them with qemu-img snapshot';
    throw unsupported(path, what);
  }
  return { overlay, below };
}

/** @throws SluiceError ENOTSUP, exit code 3 */
function checkLocal({ layers }: OpenChain, path: string): void {
  if (layers.every(({ file }) => file.waiting === undefined)) return;
  throw unsupported(path, 'it lies over an export of an NBD server; qemu-img commit can do that');
}

/** Makes an empty overlay beside another one. @returns its path */
function makeEmpty(real: string, { overlay, below }: Pair, size: number): string {
  const path = join(dirname(real), `.${basename(real)}.sluice-new`);
  // Nobody else makes one: the overlay is locked. It is left from a change that was broken off.
  rmSync(path, { force: true });
  const [name = below.file.path] = overlay.image.backing!.names;
  const { name: format, qemuName = format } = formatNamed(below.format);
  // Its bits are those of the other one in the end.
  overlayFormat().create(path, { path: name, format: qemuName, size, mode: 0 });
  try {
    makeAlike(path, real);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  }
  return path;
}

async function commit(
  chain: OpenChain,
  { named }: ChainOptions,
  log: Log,
  warn: Warn,
  engine: Engine,
): Promise<void> {
  const [overlay, below, ...deeper] = chain.layers as [OpenLayer, OpenLayer, ...OpenLayer[]];
  // What is damaged is refused, as by a mount that writes it.
  await overlay.image.prepareWriting?.(log);
  const { path } = below.file;
  const all = [below, ...deeper];
  const image = {
    ...{ name: basename(path), path, format: below.format, snapshot: null },
    backingFormats: deeper.map(({ format }) => format),
    named: {
      untrusted: named?.untrusted ?? false,
      dataFiles: all.flatMap((layer) => layer.image.dataFiles.map((file) => file.path)),
      backingFiles: deeper.map(({ file }) => file.path),
    },
  };
  const opened = await openBelow({ ...BELOW, images: [image] }, log, warn);
  try {
    const [disk] = opened.disks;
    let last = '';
    await commitLayer(overlay, { path, image: disk!.image }, engine, (share) => {
      const text = `${basename(overlay.file.path)}: ${Math.floor(share * 100)} % is in the image`;
      if (text !== last) log.progress?.(text);
      last = text;
    });
  } catch (error) {
    throw stillWhole(error);
  } finally {
    await opened.unlock();
    opened.close();
  }
}

/** A host that failed has harmed nothing: its user should not have to look that up. */
function stillWhole(error: unknown): unknown {
  if (!(error instanceof SluiceError) || error.exitCode !== EXIT_FAILED) return error;
  const { message, errno, exitCode } = error;
  const what = 'the overlay has everything still: mend that, and commit again';
  return new SluiceError(`${message}${REMEDY}${what}`, errno, exitCode, error);
}

/** How the image below is opened. The host's page cache may be used: a flush ends the writes. */
const BELOW: Omit<DiskOptions, 'images'> = {
  ...{ readOnly: false, growable: true, direct: false, metadataCache: METADATA_CACHE_BYTES },
  ...{ passthrough: [], partitions: null, owner: null, mode: null },
  nbd: { timeoutMs: 0, connections: 1 },
};

/** @throws SluiceError without the advice for who mounts */
async function openBelow(options: DiskOptions, log: Log, warn: Warn) {
  try {
    checkImages({ ...options, logFile: null }, warn);
    return await openDisks(options, log);
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    const { message, errno, exitCode } = error;
    const what = message.replace(/; .*$/, '; nothing was committed');
    throw new SluiceError(what, errno, exitCode, error);
  }
}

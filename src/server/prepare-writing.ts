import { basename } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { FileEdit } from '../host/file-edit.js';
import type { HostFile } from '../host/host-file.js';
import type { OpenLayer, QcowPart } from '../image/open-chain.js';
import { AUTOCLEAR_RAW_DATA_FILE, HEADER_AUTOCLEAR } from '../image/qcow2/abi.js';
import { checkWritable, readForWriting, type WritePart } from '../image/qcow2/read-for-writing.js';
import { rebuildRefcounts } from '../image/qcow2/rebuild-refcounts.js';
import { EXIT_FAILED, EXIT_IMAGE, SluiceError } from '../util/errors.js';
import type { ImageConfig } from './config.js';
import type { Log } from './log.js';

/** So long is one step of a repair: signals and messages come through in between. */
const STEP_MS = 200;

/**
 * Reads and checks what writing an image needs, after it has been repaired where it must be, and
 * clears the features that do not outlive a write.
 *
 * @param layer Its layout and size follow what a repair changes.
 * @throws SluiceError exit code 3 for what is refused, 1 if the host fails
 */
export async function prepareWriting(
  { source, qcow }: OpenLayer,
  { snapshot }: ImageConfig,
  log: Log,
): Promise<WritePart> {
  const { path } = source;
  if (snapshot !== null) {
    const message = `${path}: a snapshot cannot be written; use --read-only`;
    throw new SluiceError(message, 'EROFS', EXIT_IMAGE);
  }
  checkWritable(path, source, qcow!);
  const { bitmaps } = qcow!.layout.features;
  if (bitmaps > 0) {
    const count = bitmaps === 1 ? 'bitmap' : `${bitmaps} bitmaps`;
    log.warn(`${path}: its ${count} for incremental backups become invalid, because it is written`);
  }
  clearAutoclear(source, qcow!);
  if (qcow!.layout.features.dirty) await repair(source, qcow!, log);
  return readForWriting(path, source, qcow!);
}

/**
 * Whoever does not keep a feature with an autoclear bit up to date has to clear the bit. That a data
 * file is raw stays true.
 */
function clearAutoclear(source: HostFile, { layout }: QcowPart): void {
  if (layout.version === 2) return;
  const kept = new Uint8Array(8);
  if (layout.dataFileRaw) kept[7] = 1 << AUTOCLEAR_RAW_DATA_FILE;
  if (Buffer.from(kept).equals(source.read(HEADER_AUTOCLEAR, 8))) return;
  const file = new FileEdit(source);
  try {
    file.write(HEADER_AUTOCLEAR, kept);
    file.sync();
  } finally {
    file.close();
  }
}

/** Rebuilds the refcounts of an image that was not closed. */
async function repair(source: HostFile, qcow: QcowPart, log: Log): Promise<void> {
  const { path } = source;
  log.info(`${path}: was not closed; its refcounts are rebuilt`);
  const file = new FileEdit(source);
  try {
    const steps = rebuildRefcounts(path, file, qcow.layout, qcow.snapshots);
    let step = steps.next();
    for (let until = performance.now() + STEP_MS; step.done !== true; step = steps.next()) {
      if (performance.now() < until) continue;
      const percent = Math.floor(step.value * 100);
      log.progress?.(`${basename(path)}: its refcounts are rebuilt: ${percent} %`);
      await setImmediate();
      until = performance.now() + STEP_MS;
    }
    qcow.layout = step.value;
  } catch (error) {
    throw repairError(path, error);
  } finally {
    file.close();
  }
  log.info(`${path}: its refcounts are right again`);
}

function repairError(path: string, error: unknown): SluiceError {
  if (!(error instanceof SluiceError)) {
    const { code = 'EIO' } = error as NodeJS.ErrnoException;
    const message = `${path}: its refcounts cannot be rebuilt (${code}); use --read-only`;
    return new SluiceError(message, code, EXIT_FAILED, error);
  }
  const what = error.message.slice(path.length + 2);
  const message = `${path}: marked as dirty, and cannot be repaired: ${what}`;
  return new SluiceError(message, error.errno, error.exitCode, error);
}

import { basename } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { HostFile } from '../../host/host-file.js';
import { EXIT_FAILED, SluiceError } from '../../util/errors.js';
import type { Report } from '../format.js';
import { unsupported } from '../refusal.js';
import { AUTOCLEAR_RAW_DATA_FILE, HEADER_AUTOCLEAR } from './abi.js';
import {
  checkWritable,
  type QcowPart,
  readForWriting,
  type WritePart,
} from './read-for-writing.js';
import { rebuildRefcounts } from './rebuild-refcounts.js';

/** Longest step of a repair: signals and messages come through in between. */
const STEP_MS = 200;

/**
 * Checks that an image can be written, repairs it where it must be, clears the features that do not
 * outlive a write, and reads its tables.
 *
 * @param part Its layout is that of the repaired image afterwards.
 * @throws SluiceError exit code 3 for an image that is refused, 1 if the host fails
 */
export async function prepareWriting(
  file: HostFile,
  part: QcowPart,
  report: Report,
): Promise<WritePart> {
  const { path } = file;
  checkWritable(file, part);
  checkRepairable(file, part);
  const warning = lostBitmaps(part);
  if (warning !== null) report.warn(`${path}: ${warning}`);
  clearAutoclear(file, part);
  if (part.layout.features.dirty) await repair(file, part, report);
  return readForWriting(file, part);
}

/** A writer does not keep the bitmaps of QEMU up to date. A sentence about them; null if there are none. */
export function lostBitmaps({ layout }: QcowPart): string | null {
  const { bitmaps } = layout.features;
  if (bitmaps === 0) return null;
  const count = bitmaps === 1 ? 'bitmap' : `${bitmaps} bitmaps`;
  return `its ${count} for incremental backups will not be valid any more, because it is written`;
}

/**
 * Clears the autoclear bits of features that a writer does not keep up to date. The bit of a raw data
 * file stays, because that remains true.
 */
function clearAutoclear(image: HostFile, { layout }: QcowPart): void {
  if (layout.version === 2) return;
  const kept = new Uint8Array(8);
  if (layout.dataFileRaw) kept[7] = 1 << AUTOCLEAR_RAW_DATA_FILE;
  if (Buffer.from(kept).equals(image.read(HEADER_AUTOCLEAR, 8))) return;
  const file = image.edit();
  try {
    file.write(HEADER_AUTOCLEAR, kept);
    file.sync();
  } finally {
    file.close();
  }
}

/** A daemon that writes the image has marked it so, too, as long as it runs. */
function checkRepairable({ path, blockDevice }: HostFile, { layout }: QcowPart): void {
  if (!blockDevice || !layout.features.dirty) return;
  const what = 'was not closed, and is on a block device: repair it with qemu-img check -r all';
  throw unsupported(path, `${what}, or use --read-only`);
}

/** Rebuilds the refcounts of an image that was not closed. */
async function repair(image: HostFile, part: QcowPart, report: Report): Promise<void> {
  const { path } = image;
  report.info(`${path}: was not closed; its refcounts are rebuilt`);
  const file = image.edit();
  try {
    const steps = rebuildRefcounts(file, part.layout, part.snapshots);
    let step = steps.next();
    for (let until = performance.now() + STEP_MS; step.done !== true; step = steps.next()) {
      if (performance.now() < until) continue;
      const percent = Math.floor(step.value * 100);
      report.progress?.(`${basename(path)}: its refcounts are rebuilt: ${percent} %`);
      await setImmediate();
      until = performance.now() + STEP_MS;
    }
    part.layout = step.value;
  } catch (error) {
    throw repairError(path, error);
  } finally {
    file.close();
  }
  report.info(`${path}: its refcounts are right again`);
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

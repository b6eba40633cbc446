import type { Control, ImageSnapshot } from '../control/control.js';
import type { Faults } from '../control/faults.js';
import { parseMember } from '../control/members.js';
import type { Assignment } from '../control/set-up-groups.js';
import { ERRNO, errnoName, hostErrorText } from '../util/errno.js';
import { type ErrorRecord, EXIT_FAILED, naming, recordOf, SluiceError } from '../util/errors.js';
import type { DiskConfig } from './disk.js';
import type { Flushed } from './last-flush.js';
import type { LiveImages } from './live-images.js';
import type { Members } from './members.js';

/** A change of the images of a mount that is served. Plain data. */
export type ImageChange =
  /**
   * The files of the disk are open. Its members move to these groups. With `isBack` they had these groups before; see
   * `Members.stillGood`.
   */
  | { kind: 'attach'; disk: DiskConfig; assignments: readonly Assignment[]; isBack?: boolean }
  /** See `LiveImages.detach`. */
  | { kind: 'detach'; name: string; force: boolean }
  /** See `LiveImages.resize`. */
  | { kind: 'resize'; name: string; size: number | null; hostSize: number }
  /** See `LiveImages.setFaults`. */
  | { kind: 'faults'; name: string; faults: Faults | null };

/** A file that the kernel may know otherwise. */
export interface StaleFile {
  name: string;
  /** Its node; 0: it is gone. */
  node: number;
}

/** What has become of a change. Plain data. */
export interface ImageOutcome {
  /** Null: all is well. */
  error: ErrorRecord | null;
  /** After the change the mount has the image. */
  isThere: boolean;
  /** As it is now. Null after an error, and if it has gone. */
  image: ImageSnapshot | null;
  /** Files in the mount that are gone, or have another size, for the kernel: it may know them otherwise. */
  stale: readonly StaleFile[];
}

/** What changes of images need of a data plane. */
export interface ImageChangeParts {
  readonly images: LiveImages;
  readonly members: Pick<Members, 'stillGood'>;
  readonly control: Control;
}

type Done = (outcome: Omit<ImageOutcome, 'image'>) => void;

/** Makes a change. `tell` is called once, now or later. */
export function changeImages(
  parts: ImageChangeParts,
  change: ImageChange,
  tell: (outcome: ImageOutcome) => void,
): void {
  const { images, control } = parts;
  const done: Done = (outcome) => {
    control.followSizes(true);
    const isShown = outcome.error === null && outcome.isThere;
    const { name } = change.kind === 'attach' ? change.disk : change;
    tell({ ...outcome, image: isShown ? images.snapshotOf(images.find(name).disk) : null });
  };
  try {
    if (change.kind === 'attach') {
      attach(parts, change);
      done({ error: null, isThere: true, stale: [] });
    } else if (change.kind === 'faults') {
      images.setFaults(change.name, change.faults);
      done({ error: null, isThere: true, stale: [] });
    } else if (change.kind === 'detach') detach(images, change.name, change.force, done);
    else resize(images, change, done);
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    done({ error: recordOf(error), isThere: change.kind !== 'attach', stale: [] });
  }
}

/** @throws SluiceError naming the option that is at fault; nothing is changed then */
function attach(
  { images, members, control }: ImageChangeParts,
  { disk: config, assignments, isBack = false }: Extract<ImageChange, { kind: 'attach' }>,
): void {
  const disk = images.add(config);
  try {
    images.showPartitions(disk);
    const asked = isBack ? members.stillGood(assignments) : assignments;
    for (const { member, group } of asked) {
      naming(`--assign ${member}=${group || '/'}`, () =>
        control.apply(group, { members: [{ member: parseMember(member), remove: false }] }),
      );
    }
  } catch (error) {
    images.undo(disk);
    throw error;
  }
}

function detach(images: LiveImages, name: string, force: boolean, done: Done): void {
  const { path } = images.find(name).disk.config;
  const stale = images.nodesOf(name).map((node) => ({ name: node.name, node: 0 }));
  images.detach(name, force, (flushed) => {
    const isThere = flushed.failed !== 0 && !force;
    const problem = sentence(path, flushed, isThere);
    done({ error: problem && recordOf(problem), isThere, stale: isThere ? [] : stale });
  });
}

/** Of an image that writes make longer, too. */
const NO_FALLOCATE =
  'cannot grow: its file system has no fallocate, so writes behind its end could be cut off; use truncate(1) on its file in the mount';

function resize(
  images: LiveImages,
  { name, size, hostSize }: Extract<ImageChange, { kind: 'resize' }>,
  done: Done,
): void {
  const { path, format } = images.find(name).disk.config;
  const stale = images.nodesOf(name).map((node) => ({ name: node.name, node: node.id }));
  images.resize(name, size, hostSize, (result) => {
    const error = result < 0 ? recordOf(notGrown(path, format, result)) : null;
    done({ error, isThere: true, stale });
  });
}

function notGrown(path: string, format: string, result: number): SluiceError {
  if (result === -ERRNO.EOPNOTSUPP) {
    return new SluiceError(`${path}: ${NO_FALLOCATE}`, 'EOPNOTSUPP', EXIT_FAILED);
  }
  const keeps = `an image of the format ${format} keeps its size`;
  const why = result === -ERRNO.EPERM ? keeps : hostErrorText(-result);
  return new SluiceError(`${path}: cannot grow: ${why}`, errnoName(result), EXIT_FAILED);
}

function sentence(path: string, { failed, lost }: Flushed, isThere: boolean): SluiceError | null {
  const errno = failed || lost;
  if (errno === 0) return null;
  const why = hostErrorText(errno);
  const what = isThere
    ? `cannot be flushed: ${why}; it stays attached`
    : `its last writes could not be flushed: ${why}; they may be lost`;
  return new SluiceError(`${path}: ${what}`, errnoName(errno), EXIT_FAILED);
}

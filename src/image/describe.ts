import { HostFile } from '../host/host-file.js';
import {
  describeChain,
  type FeatureInfo,
  type LayerInfo,
  refused,
  type SnapshotInfo,
} from './describe-chain.js';
import type { ChainOptions } from './open-chain.js';
import { probeProblem } from './probe.js';
import { formatOf, HEAD_BYTES } from './signatures.js';

/** What an image is, without mounting it. Sizes in bytes. */
export interface ImageInfo {
  path: string;
  format: string;
  /** Size of NAME.raw in a mount: a multiple of 512. Null for a format that cannot be mounted. */
  virtualSize: number | null;
  /** Size of the host file or device. */
  hostSize: number;
  /** What the host file takes on its disk; equal to hostSize for a block device. */
  allocated: number;
  blockDevice: boolean;
  /** Logical block size of the disk below, which O_DIRECT must keep to; null if unknown. */
  alignment: number | null;
  /** The image and its backing files; null for a format that cannot be mounted. */
  chain: LayerInfo[] | null;
  /** Null for all but qcow2. */
  features: FeatureInfo | null;
  snapshots: SnapshotInfo[];
  /** Sentences about what is wrong or cannot be mounted; empty for a good image. */
  problems: string[];
}

function findProblems(size: number, blockDevice: boolean): string[] {
  const problems: string[] = [];
  if (size === 0 && blockDevice) problems.push('the device is empty: there is nothing to show');
  if (size === 0 && !blockDevice) {
    problems.push(
      'the file is empty: there is nothing to show; ' +
        'give it a size with truncate, or use --growable',
    );
  }
  return problems;
}

/**
 * Describes an image.
 *
 * @throws SluiceError exit code 1 if it cannot be opened, 3 if it is no image
 */
export async function describeImage(path: string, options: ChainOptions): Promise<ImageInfo> {
  const file = new HostFile(path);
  try {
    const { size, allocated, blockDevice, blockBytes: alignment } = file;
    const { format } = options;
    const claimed = format === 'auto' ? formatOf(file.read(0, Math.min(HEAD_BYTES, size))) : null;
    const shownAs = claimed ?? (format === 'auto' ? 'raw' : format);
    const probe = claimed === null ? null : probeProblem(path, claimed);
    const about = probe === null ? describeChain(path, options) : refused(probe);
    return {
      path,
      format: shownAs,
      hostSize: size,
      allocated,
      blockDevice,
      alignment,
      ...about,
      problems: [...about.problems, ...findProblems(size, blockDevice)],
    };
  } finally {
    file.close();
  }
}

import { type HostFile, openHostFile } from '../host/host-file.js';
import { SluiceError } from '../util/errors.js';
import type { Description, SnapshotInfo } from './format.js';
import { formats } from './formats.js';
import { checkAllUsed } from './named-files.js';
import { type ChainOptions, type OpenLayer, openPartly } from './open-chain.js';
import { passthroughProblem } from './passthrough.js';
import { endsOf, formatOf } from './probe.js';

/** A description of an image, without mounting it. Sizes in bytes. */
export interface ImageInfo {
  path: string;
  /** Also one that cannot be mounted. */
  format: string;
  /** Size of NAME.raw in a mount: a multiple of 512. Null for an image that cannot be mounted. */
  virtualSize: number | null;
  /** Size of the host file or device. */
  hostSize: number;
  /** Bytes that the host file takes on its disk; equal to hostSize for a block device. */
  allocated: number;
  blockDevice: boolean;
  /** Logical block size of the disk below, which O_DIRECT must keep to; null if unknown. */
  alignment: number | null;
  /** Why the kernel cannot pass its file through (`--passthrough`), as a sentence; null if it can. */
  passthroughProblem: string | null;
  /** The image and its backing files; null if not even the image can be opened. */
  chain: LayerInfo[] | null;
  /** Facts that only its format has; null if there are none. */
  features: Description['features'];
  /** The features for people: a keyword and its text, for each line. */
  lines: Description['lines'];
  snapshots: readonly SnapshotInfo[];
  /** Sentences about faults and about what cannot be mounted; empty for a good image. */
  problems: string[];
}

/** An image of a chain. Sizes in bytes. */
export interface LayerInfo {
  path: string;
  format: string;
  virtualSize: number;
  hostSize: number;
  /** Bytes that the host file takes on its disk. */
  allocated: number;
}

/**
 * Describes an image and its backing files; a fault of them is a problem, not an error. Where a file
 * below is refused, the images above it are described.
 *
 * @throws SluiceError exit code 1 if the image cannot be opened, 3 if it is no image
 */
export function describeImage(path: string, options: ChainOptions): ImageInfo {
  const file = openHostFile(path);
  try {
    const { size: hostSize, allocated, blockDevice, blockBytes: alignment } = file;
    const { layers, problem, close } = openPartly(path, options);
    close();
    if (problem === null) checkAllUsed(options.named, [layers]);
    else if (!(problem instanceof SluiceError)) throw problem;
    const why = problem === null ? [] : [withoutPath(problem.message, path)];
    const described = layers.map(({ image }) => image.describe());
    const [top] = layers;
    return {
      path,
      format: formatShown(file, options),
      hostSize,
      allocated,
      blockDevice,
      alignment,
      virtualSize: problem === null ? top!.image.size : null,
      passthroughProblem:
        top === undefined ? 'it cannot be mounted' : passthroughProblem(file, top.format),
      chain: top === undefined ? null : layers.map(describeLayer),
      features: described[0]?.features ?? null,
      lines: described[0]?.lines ?? [],
      snapshots: described[0]?.snapshots ?? [],
      problems: [
        ...why,
        ...described.flatMap(({ problems }, index) => {
          const prefix = index === 0 ? '' : `${layers[index]!.file.path}: `;
          return problems.map((text) => `${prefix}${text}`);
        }),
        ...emptyProblem(file),
      ],
    };
  } finally {
    file.close();
  }
}

function formatShown(file: HostFile, { format }: ChainOptions): string {
  if (format !== 'auto') return format;
  return formatOf(endsOf(file)) ?? formats()[0]!.name;
}

function withoutPath(message: string, path: string): string {
  return message.startsWith(`${path}: `) ? message.slice(path.length + 2) : message;
}

function describeLayer({ file, format, image }: OpenLayer): LayerInfo {
  const { path, size: hostSize, allocated } = file;
  return { path, format, virtualSize: image.size, hostSize, allocated };
}

/** A sentence about a file without any bytes; none for other files. */
export function emptyProblem({ size, blockDevice }: HostFile): string[] {
  if (size > 0) return [];
  if (blockDevice) return ['the device is empty: there is nothing to show'];
  const ways = 'give it a size with truncate, or use --growable';
  return [`the file is empty: there is nothing to show; ${ways}`];
}

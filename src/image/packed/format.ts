import type { HostFile } from '../../host/host-file.js';
import { formatSize } from '../../util/units.js';
import { roundUpToSector } from '../extent.js';
import type { Format, OpenHow, OpenImage } from '../format.js';
import type { Compression } from '../inflate-calls.js';
import { unsupported } from '../refusal.js';
import type { Frames } from './frames.js';
import { FramesLayer } from './frames-layer.js';
import { isGzip, readGzipIndex } from './gzip-index.js';
import { isXz, readXzIndex } from './xz-index.js';
import { isZstd, readZstdIndex } from './zstd-index.js';

/** A raw image in blocks of gzip, as bgzip packs it. */
export const gzip: Format = {
  name: 'gzip',
  probe: isGzip,
  hasMetadata: false,
  open: (file, how) => {
    const { frames, isWhole } = readGzipIndex(file);
    const problem = 'the mark of its end is missing: it may be cut off';
    return openFrames(file, how, frames, 'gzip', isWhole ? [] : [problem]);
  },
  makeLayer: ({ metadata }, [file]) => new FramesLayer(metadata as Frames, 'gzip', file!),
};

/** A raw image in frames of Zstandard with a seek table. */
export const zstd: Format = {
  name: 'zstd',
  probe: isZstd,
  hasMetadata: false,
  open: (file, how) => openFrames(file, how, readZstdIndex(file), 'zstd-frame', []),
  makeLayer: ({ metadata }, [file]) => new FramesLayer(metadata as Frames, 'zstd-frame', file!),
};

/** A raw image in blocks of xz, as `xz --block-size` packs it. */
export const xz: Format = {
  name: 'xz',
  probe: isXz,
  hasMetadata: false,
  open: (file, how) => openFrames(file, how, readXzIndex(file), 'xz', []),
  makeLayer: ({ metadata }, [file]) => new FramesLayer(metadata as Frames, 'xz', file!),
};

function openFrames(
  file: HostFile,
  { snapshot }: OpenHow,
  frames: Frames,
  method: Compression,
  problems: readonly string[],
): OpenImage {
  if (snapshot !== null) throw unsupported(file.path, 'a packed raw image has no snapshots');
  const { longest, starts } = frames;
  const count = starts.filter((start, index) => start > (starts[index - 1] ?? 0)).length;
  return {
    size: roundUpToSector(frames.size),
    backing: null,
    dataFiles: [],
    // Frames are copied to where they are wanted.
    unitBytes: Number.POSITIVE_INFINITY,
    canGrow: false,
    methods: [method],
    metadata: frames,
    hasSparseData: () => false,
    describe: () => ({
      features: { frames: count, longestFrame: longest },
      lines: [['features', `${count} frames of up to ${formatSize(longest)}`]],
      snapshots: [],
      problems,
    }),
  };
}

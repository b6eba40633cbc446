import type { HostFile } from '../../host/host-file.js';
import { roundUpToSector } from '../extent.js';
import type { Format, OpenHow, OpenImage } from '../format.js';
import { refuseSnapshot } from '../refusal.js';
import { RawDriver } from './raw-driver.js';
import { RawLayer } from './raw-layer.js';

/** An image that is its host file, byte for byte. */
export const raw: Format = {
  name: 'raw',
  // QEMU records the names of its protocol drivers too, which give the bytes as they are.
  aliases: ['file', 'host_device', 'nbd'],
  // Any bytes may be a raw image, so none look like one.
  probe: () => false,
  open: openRaw,
  hasMetadata: false,
  isItsFile: true,
  changesHands: true,
  makeLayer: ({ hostSize }, [file]) => new RawLayer(file!, hostSize),
  makeDriver: ({ layers, alignment, blockDevice, shared = false }, file, io) => {
    const { hostSize } = layers[0]!;
    return new RawDriver({ file, hostSize, alignment, blockDevice, shared }, io);
  },
};

function openRaw(file: HostFile, { snapshot }: OpenHow): OpenImage {
  refuseSnapshot(file.path, snapshot, 'a raw image');
  return {
    size: roundUpToSector(file.size),
    backing: null,
    dataFiles: [],
    unitBytes: Number.POSITIVE_INFINITY,
    canGrow: !file.blockDevice,
    methods: [],
    metadata: null,
    // Its layer tells of the holes.
    hasSparseData: () => false,
    describe: () => ({ features: null, lines: [], snapshots: [], problems: [] }),
  };
}

import type { Format } from '../format.js';
import { RawDriver } from './raw-driver.js';
import { RawLayer } from './raw-layer.js';

/** An image that is its host file, byte for byte. */
export const raw: Format = {
  name: 'raw',
  hasMetadata: false,
  makeLayer: ({ hostSize }, [file]) => new RawLayer(file!, hostSize),
  makeDriver: ({ layers, alignment, blockDevice }, file, io) => {
    const { hostSize } = layers[0]!;
    return new RawDriver({ file, hostSize, alignment, blockDevice }, io);
  },
};

import type { Driver, DriverIo } from './driver.js';
import { formatNamed } from './formats.js';
import { type ImageConfig, REFCOUNT_SHARE } from './image-config.js';
import { Inflater } from './inflater.js';
import { LayeredDriver } from './layered-driver.js';
import { Layers } from './layers.js';

/**
 * Makes the driver that serves an image.
 * @param handles The engine's handles of its host files.
 */
export function makeDriver(config: ImageConfig, handles: readonly number[], io: DriverIo): Driver {
  const format = formatNamed(config.layers[0]!.format);
  const [file] = handles as readonly [number, ...number[]];
  if (config.layers.length === 1 && format.makeDriver !== undefined) {
    return format.makeDriver(config, file, io);
  }
  const layers = makeLayers(config, handles, io);
  const writer = config.writing === null ? null : format.makeWriter!(layers, config, file, io);
  return new LayeredDriver(layers, writer, file, io);
}

type LayersIo = Pick<DriverIo, 'engine' | 'resume' | 'inflateCalls' | 'mappings'>;

/**
 * The layers of an image.
 * @param handles The engine's handles of its host files.
 */
export function makeLayers(
  config: Pick<ImageConfig, 'layers' | 'alignment' | 'growable' | 'cacheBytes' | 'writing'>,
  handles: readonly number[],
  { engine, resume, inflateCalls, mappings }: LayersIo,
): Layers {
  const { alignment, growable, writing } = config;
  const forTables = config.cacheBytes * (writing === null ? 1 : 1 - REFCOUNT_SHARE);
  const caches = config.layers.filter(({ format }) => formatNamed(format).hasMetadata).length;
  const cacheBytes = forTables / Math.max(1, caches);
  const layers = config.layers.map((layer, index) => {
    const files = layer.files.map((number) => handles[number]!);
    const io = { engine, resume, cacheBytes, mappings, growable: growable && index === 0 };
    return formatNamed(layer.format).makeLayer(layer, files, io);
  });
  const inflater = new Inflater(engine, resume, inflateCalls, alignment, mappings);
  return new Layers(layers, engine, inflater, alignment);
}

import type { Driver, DriverIo } from './driver.js';
import { formatNamed } from './formats.js';
import { type ImageConfig, REFCOUNT_SHARE } from './image-config.js';
import { Inflater } from './inflater.js';
import { LayeredDriver } from './layered-driver.js';
import { Layers } from './layers.js';

/** Hands the host files of an image to the engine and makes the driver that serves it. */
export function makeDriver(config: ImageConfig, io: DriverIo): Driver {
  const handles = config.files.map((file) => io.engine.add(file));
  const format = formatNamed(config.layers[0]!.format);
  const [file] = handles as [number, ...number[]];
  if (config.layers.length === 1 && format.makeDriver !== undefined) {
    return format.makeDriver(config, file, io);
  }
  const layers = makeLayers(config, handles, io);
  const writer = config.writing === null ? null : format.makeWriter!(layers, config, file, io);
  return new LayeredDriver(layers, writer, file, io);
}

/**
 * The layers of an image.
 * @param handles The engine's handles of its host files.
 */
export function makeLayers(
  config: Pick<ImageConfig, 'layers' | 'alignment' | 'growable' | 'cacheBytes' | 'writing'>,
  handles: readonly number[],
  { engine, resume, inflateCalls }: Pick<DriverIo, 'engine' | 'resume' | 'inflateCalls'>,
): Layers {
  const { alignment, growable, writing } = config;
  const forTables = config.cacheBytes * (writing === null ? 1 : 1 - REFCOUNT_SHARE);
  const caches = config.layers.filter(({ format }) => formatNamed(format).hasMetadata).length;
  const cacheBytes = forTables / Math.max(1, caches);
  const layers = config.layers.map((layer, index) => {
    const files = layer.files.map((number) => handles[number]!);
    const io = { engine, resume, cacheBytes, growable: growable && index === 0 };
    return formatNamed(layer.format).makeLayer(layer, files, io);
  });
  const inflater = new Inflater(engine, resume, inflateCalls, alignment);
  return new Layers(layers, engine, inflater, alignment);
}

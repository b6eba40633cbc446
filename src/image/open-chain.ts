import { type HostFile, holdOf, openHostFile } from '../host/host-file.js';
import type { Hold } from '../host/local-file.js';
import { isNbdUri } from '../nbd/uri.js';
import { refuse, SluiceError } from '../util/errors.js';
import { SIZE_MAX } from '../util/units.js';
import { type BackingTarget, resolveBackingName } from './backing-name.js';
import { checkIdentity, findBacking } from './find-backing.js';
import type { OpenHow, OpenImage } from './format.js';
import { formatNamed, formatRecorded, isFormat } from './formats.js';
import type { LayerConfig } from './image-config.js';
import type { Compression } from './inflate-calls.js';
import { checkDataFile, checkNamed, type NamedFiles, type Role } from './named-files.js';
import { endsOf, formatOf, probeFormat } from './probe.js';
import { malformed, unsupported } from './refusal.js';

/** More layers than anybody keeps; each takes descriptors and memory. */
export const CHAIN_MAX = 64;

/** How an image is to be opened. */
export interface ChainOptions {
  /** Name of a format, or `auto`: the image tells. */
  format: string;
  /** Formats of the backing files, from the top, for those whose overlay does not say. */
  backingFormats: readonly string[];
  /** ID or name of the internal snapshot to show; null for the image as it is. */
  snapshot: string | null;
  /** Which files an image may name; absent: any backing file, and data files in its folder. */
  named?: NamedFiles;
  /** What keeps its files for the mount already. They have passed the checks of their names, and their formats are known. */
  held?: readonly Hold[];
}

/** An image of a chain, open for reading. */
export interface OpenLayer {
  file: HostFile;
  /** Name of its format. */
  format: string;
  image: OpenImage;
}

/** An image and its backing files. */
export interface OpenChain {
  /** The image itself first. */
  layers: OpenLayer[];
  close(): void;
}

/** Called with each file as soon as it is open, before anything is read: takes locks. */
export type FileOpened = (file: HostFile, isTop: boolean) => void;

/** A chain as far as it can be opened. */
export interface PartialChain extends OpenChain {
  /** Why there is no more; null for a whole chain. */
  problem: unknown;
}

/**
 * Opens an image and all its backing files and checks their headers.
 *
 * @throws SluiceError exit code 1 for a file that cannot be reached, 3 for one that is refused. Nothing
 *   stays open then.
 */
export function openChain(path: string, options: ChainOptions, opened?: FileOpened): OpenChain {
  const { problem, ...chain } = openPartly(path, options, opened);
  if (problem === null) return chain;
  chain.close();
  throw problem;
}

/** The chain has a file on a server, which is not asked. */
class OnServer extends Error {}

/**
 * The same for who asks no server: the chain ends above the first file that is on one.
 *
 * @returns `problem` is null for a whole chain.
 */
export function openHere(path: string, options: ChainOptions): PartialChain {
  const chain = openPartly(path, options, undefined, (path) => {
    if (isNbdUri(path)) throw new OnServer(path);
    return openHostFile(path);
  });
  const { problem } = chain;
  if (problem === null || problem instanceof OnServer) return chain;
  chain.close();
  throw problem;
}

/** The same for commands that only describe an image: it has the layers above the one that fails. */
export function openPartly(
  path: string,
  options: ChainOptions,
  opened?: FileOpened,
  openFile: typeof openHostFile = openHostFile,
): PartialChain {
  const files: HostFile[] = [];
  const layers: OpenLayer[] = [];
  const close = () => {
    for (const file of files) file.close();
  };
  const open: Open = (path, isTop, wanted, check) => {
    const file = named(wanted, path, () => openFile(path, options.held));
    const other = files.find(({ identity }) => identity === file.identity);
    files.push(file);
    if (other !== undefined) throw usedTwice(files[0]!.path, layers, file, other);
    check?.(file);
    named(wanted, path, () => opened?.(file, isTop));
    return file;
  };
  try {
    openLayers(path, options, open, layers);
    return { layers, close, problem: null };
  } catch (problem) {
    return { layers, close, problem };
  }
}

function usedTwice(
  path: string,
  layers: readonly OpenLayer[],
  file: HostFile,
  other: HostFile,
): SluiceError {
  if (layers.some((layer) => layer.file === other)) {
    return malformed(path, `its backing files form a loop at ${file.path}`);
  }
  const isOwn = layers.length === 0;
  const what = isOwn
    ? 'its external data file is the image itself'
    : `its chain has ${file.path} twice`;
  return malformed(path, what);
}

/** The image that names a file. */
interface Wanted {
  image: string;
  role: Role;
}

/** `check` throws if something is wrong with a file, before it is locked. */
type Open = (
  path: string,
  isTop: boolean,
  wanted: Wanted | null,
  check?: (file: HostFile) => void,
) => HostFile;

function openLayers(path: string, options: ChainOptions, open: Open, layers: OpenLayer[]): void {
  let wanted: Wanted | null = null;
  let file = open(path, true, null);
  let format = options.format;
  for (;;) {
    const isTop = layers.length === 0;
    const layer: OpenLayer = named(wanted, file.path, () =>
      openLayer(file, format, isTop, options, open),
    );
    const above = layers.at(-1);
    layers.push(layer);
    if (above !== undefined) checkIdentity(above, layer);
    const backing = backingOf(layer, options);
    if (backing === null) return;
    if (layers.length === CHAIN_MAX) {
      throw unsupported(path, `it has more than ${CHAIN_MAX - 1} backing files`);
    }
    wanted = { image: layer.file.path, role: 'backing' };
    if (holdOf(backing.path, options.held) === null) {
      checkNamed(wanted.image, 'backing', backing.path, options.named);
    }
    file = open(backing.path, false, wanted);
    format =
      backing.format ?? options.backingFormats[layers.length - 1] ?? formatOfNone(layers, file);
  }
}

/** Says which image wants the file at `path`, if that cannot be opened or is refused. */
function named<T>(wanted: Wanted | null, path: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    if (wanted === null || !(error instanceof SluiceError)) throw error;
    // What is wrong with the chain as a whole begins with another path.
    if (!error.message.startsWith(`${path}: `)) throw error;
    const message = `${wanted.image}: its ${wanted.role} file ${error.message}`;
    throw new SluiceError(message, error.errno, error.exitCode, error);
  }
}

/**
 * The format of a backing file whose overlay records none, as old tools made it: raw if its
 * content looks like no other format. Otherwise it is refused, because both guesses are dangerous. As
 * raw, a guest could overwrite the tables of a real container. As a container, a header that a guest
 * wrote to its raw disk would be believed.
 */
function formatOfNone(layers: readonly OpenLayer[], file: HostFile): string {
  const found = formatOf(endsOf(file));
  if (found === null) return 'raw';
  const formats = layers.map(({ format }) => format).join(',');
  const ways = isFormat(found) ? [found, 'raw'] : ['raw'];
  throw unsupported(
    layers.at(-1)!.file.path,
    `its backing file ${file.path} looks like ${found}, and its format is not recorded; ` +
      `use ${ways.map((way) => `--format ${formats},${way}`).join(' or ')}`,
  );
}

function openLayer(
  file: HostFile,
  asked: string,
  isTop: boolean,
  options: ChainOptions,
  open: Open,
): OpenLayer {
  const { path } = file;
  const known = holdOf(path, options.held)?.format ?? asked;
  const format = known === 'auto' ? probeFormat(path, endsOf(file)) : known;
  const how: OpenHow = {
    snapshot: isTop ? options.snapshot : null,
    openDataFile: (name) => {
      const { path: dataPath } = resolveBackingName(path, name, 'data');
      const wanted = { image: path, role: 'data' } as const;
      if (holdOf(dataPath, options.held) !== null) return open(dataPath, isTop, wanted);
      checkNamed(path, 'data', dataPath, options.named);
      return open(dataPath, isTop, wanted, (data) => checkDataFile(file, data, options.named));
    },
  };
  if (!isFormat(format)) throw refuse(`${path}: there is no format ${JSON.stringify(format)}`);
  const image = formatNamed(format).open(file, how);
  if (image.size > SIZE_MAX) throw malformed(path, 'its virtual size is above 2^53 bytes');
  return { file, format, image };
}

/** The backing file that a layer names, and the format that it records; null for none. */
function backingOf({ file, image }: OpenLayer, options: ChainOptions): BackingTarget | null {
  if (image.backing === null) return null;
  const { path, format } = findBacking(file, image.backing, options);
  const recorded = format ?? (image.backing.format || null);
  if (recorded === null) return { path, format: null };
  const known = formatRecorded(recorded);
  if (known !== undefined) return { path, format: known.name };
  throw unsupported(file.path, `its backing file has the format ${JSON.stringify(recorded)}`);
}

/** The layers of an open image, with the host files that they name by number. */
export interface LayerConfigs {
  files: HostFile[];
  layers: LayerConfig[];
  methods: Compression[];
}

/** Numbers the host files of an open image and makes its layers plain data. */
export function layerConfigs(chain: OpenChain): LayerConfigs {
  const all: HostFile[] = [];
  const layers = chain.layers.map(({ file, format, image }): LayerConfig => {
    const files = [file, ...image.dataFiles].map((one) => all.push(one) - 1);
    return { format, files, hostSize: file.size, metadata: image.metadata };
  });
  const methods = chain.layers.flatMap(({ image }) => image.methods);
  return { files: all, layers, methods };
}

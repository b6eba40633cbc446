import type { Engine } from '../host/engine.js';
import type { HostFile } from '../host/host-file.js';
import type { Driver, DriverIo, Layer, LayerWriter } from './driver.js';
import type { ImageConfig, LayerConfig } from './image-config.js';
import type { Compression } from './inflate-calls.js';
import type { Layers } from './layers.js';
import type { Mappings } from './mappings.js';
import type { Resume } from './waiters.js';

/** An image format. All code that knows it is in its folder; `formats.ts` lists the formats. */
export interface Format {
  readonly name: string;
  /** Further names of it that an image may have recorded for its backing file. */
  readonly aliases?: readonly string[];
  /** The name that QEMU has for it, which an overlay records; absent: the same. */
  readonly qemuName?: string;
  /**
   * Do a file's first bytes look like an image of the format, or its last ones?
   *
   * @param head The first HEAD_BYTES bytes, fewer if the file is shorter.
   * @param tail The last HEAD_BYTES bytes, likewise.
   */
  probe(head: Uint8Array, tail: Uint8Array): boolean;
  /**
   * Opens an image and checks its metadata.
   *
   * @throws SluiceError exit code 3: EINVAL for a broken image, ENOTSUP for one that we cannot read
   */
  open(file: HostFile, how: OpenHow): OpenImage;
  /**
   * Makes an empty image over another one; missing if the format has no backing files, or is only read.
   *
   * @param path Must not exist, unless `isThere`: then it is of an empty file.
   * @throws SluiceError exit code 1
   */
  create?(path: string, backing: Backing, isThere?: boolean): void;
  /** Its layers load metadata, and share the bound of the caches. */
  readonly hasMetadata: boolean;
  /** After `Driver.close` another process can go on with an image that is written. */
  readonly changesHands?: true;
  /** Changes that are not flushed can be told to a RedoLog, so an image that is written outlives its daemon. */
  readonly hasRedoLog?: true;
  /** An image is its host file, byte for byte, so that others may read and write the file itself. */
  readonly isItsFile?: true;
  /** @param files The engine's handles of `config.files`. */
  makeLayer(config: LayerConfig, files: readonly number[], io: LayerIo): Layer;
  /**
   * The writer of an image whose top layer is of this format; missing if images of this format are only
   * read.
   */
  makeWriter?(layers: Layers, config: ImageConfig, file: number, io: DriverIo): LayerWriter;
  /** The driver of an image of a single layer, where that needs less than layers do. */
  makeDriver?(config: ImageConfig, file: number, io: DriverIo): Driver;
}

/** How an image is to be opened. */
export interface OpenHow {
  /** ID or name of the internal snapshot to show; null for the image as it is. */
  readonly snapshot: string | null;
  /**
   * Opens a file that holds data of the image.
   *
   * @param name As the image has it.
   * @throws SluiceError for a file that cannot be opened or may not be named
   */
  openDataFile(name: string): HostFile;
}

/** The image that an overlay is made over. */
export interface Backing {
  /** As it is to be recorded. */
  readonly path: string;
  readonly format: string;
  /** Virtual size, bytes. */
  readonly size: number;
  /** Permission bits of its file: others may not read more by way of the overlay. */
  readonly mode: number;
}

/** What an image tells of its backing file. */
export interface BackingName {
  /** As the image has them; the first one that leads to a file counts. None: `identities` tell. */
  readonly names: readonly string[];
  /** The name that its format has there; null if it is not recorded. */
  readonly format: string | null;
  /** It must have one of these `OpenImage.identities`, if any are recorded. */
  readonly identities?: readonly string[];
}

/** One image, without its backing files, open for reading. */
export interface OpenImage {
  /** Virtual size, bytes, a multiple of 512. */
  readonly size: number;
  /** Null for none. */
  readonly backing: BackingName | null;
  /** By these an image over this one knows it, in the words of its format; missing: by its name alone. */
  readonly identities?: readonly string[];
  /** Other files that hold its data, each once. */
  readonly dataFiles: readonly HostFile[];
  /** Bytes of the smallest piece that has a place of its own in a host file; Infinity: all is one. */
  readonly unitBytes: number;
  /** Writes behind its end can make it larger. */
  readonly canGrow: boolean;
  /** Methods by which its clusters may be compressed. */
  readonly methods: readonly Compression[];
  /** Plain data: `LayerConfig.metadata` for `makeLayer`. */
  readonly metadata: unknown;
  /** What writing makes useless, as a sentence without its path; null or missing: nothing. */
  readonly writingWarning?: string | null;
  /** Allocated ranges may be holes of the host file. Reads metadata, which may take long. */
  hasSparseData(): boolean;
  describe(): Description;
  /**
   * Refuses an image that cannot be written whatever becomes of it. Changes nothing, and needs no lock. Missing if
   * there is nothing to look at.
   *
   * @throws SluiceError exit code 3
   */
  checkWriting?(): void;
  /**
   * Checks that the image can be written and makes it ready, which may repair it. Missing if there is
   * nothing to do.
   *
   * @param redo Descriptor of a RedoLog, which may tell of changes that are to be made first; missing: there is none.
   * @returns Plain data: `ImageConfig.writing` for `makeWriter`.
   * @throws SluiceError exit code 3 for an image that is refused, 1 if the host fails
   */
  prepareWriting?(report: Report, redo?: number): Promise<unknown>;
}

/** Where messages about an image go. Each begins with the path of the image. */
export interface Report {
  info(text: string): void;
  warn(text: string): void;
  /** How far a long step is. */
  progress?(text: string): void;
}

/** Facts about an image that only its format has. */
export interface Description {
  /** For programs; null if there are none. */
  readonly features: object | null;
  /** The features for people: a keyword and its text, for each line. */
  readonly lines: readonly (readonly [string, string])[];
  readonly snapshots: readonly SnapshotInfo[];
  /** Sentences, without the path of the image. */
  readonly problems: readonly string[];
}

export interface SnapshotInfo {
  id: string;
  name: string;
  /** ISO 8601, UTC. */
  date: string;
  /** Bytes. */
  virtualSize: number;
  /** Bytes of the saved state of a virtual machine. */
  stateSize: number;
}

/** A layer loads its metadata with this. */
export interface LayerIo {
  readonly engine: Engine;
  readonly resume: Resume;
  /** The image's memory outside the heap. */
  readonly mappings: Mappings;
  /** Bound of its metadata cache, bytes. */
  readonly cacheBytes: number;
  /** The image may come to need more of the cache than now. */
  readonly growable: boolean;
}

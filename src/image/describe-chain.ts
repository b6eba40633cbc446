import { SluiceError } from '../util/errors.js';
import { type ChainOptions, type OpenLayer, openPartly } from './open-chain.js';
import type { QcowLayout } from './qcow2/layout.js';

/** An image of a chain. Sizes in bytes. */
export interface LayerInfo {
  path: string;
  format: string;
  virtualSize: number;
  hostSize: number;
  /** What the host file takes on its disk. */
  allocated: number;
}

/** What a qcow2 image is like. */
export interface FeatureInfo {
  version: number;
  clusterSize: number;
  compression: string;
  extendedL2: boolean;
  refcountBits: number;
  lazyRefcounts: boolean;
  /** Persistent bitmaps that are valid; they become invalid when the image is written elsewhere. */
  bitmaps: number;
  dirty: boolean;
  corrupt: boolean;
  /** As the image names it. */
  dataFile: string | null;
  dataFileRaw: boolean;
}

export interface SnapshotInfo {
  id: string;
  name: string;
  /** ISO 8601, UTC. */
  date: string;
  virtualSize: number;
  stateSize: number;
}

/** What opening an image with its backing files tells. */
export interface ChainInfo {
  /** Of NAME.raw in a mount. Null for what cannot be mounted. */
  virtualSize: number | null;
  chain: LayerInfo[] | null;
  features: FeatureInfo | null;
  snapshots: SnapshotInfo[];
  problems: string[];
}

/** What is known of an image that is refused. */
export function refused(problem: string): ChainInfo {
  return { virtualSize: null, chain: null, features: null, snapshots: [], problems: [problem] };
}

/**
 * Describes an image and its backing files; what is wrong with them is a problem, not an error. Where
 * a file below is refused, what lies above it is described.
 */
export function describeChain(path: string, options: ChainOptions): ChainInfo {
  const { layers, problem, close } = openPartly(path, options);
  close();
  if (problem !== null && !(problem instanceof SluiceError)) throw problem;
  const why = problem === null ? [] : [withoutPath(problem.message, path)];
  const [top] = layers;
  if (top === undefined) return refused(why[0]!);
  const { size, qcow } = top;
  return {
    virtualSize: problem === null ? size : null,
    chain: layers.map(describeLayer),
    features: qcow === null ? null : describeFeatures(qcow.layout),
    snapshots: (qcow?.snapshots ?? []).map((snapshot) => ({
      id: snapshot.id,
      name: snapshot.name,
      date: new Date(snapshot.dateMs).toISOString(),
      virtualSize: snapshot.size,
      stateSize: snapshot.stateBytes,
    })),
    problems: [...why, ...layers.flatMap((layer) => problemsOf(layer, path))],
  };
}

function withoutPath(message: string, path: string): string {
  return message.startsWith(`${path}: `) ? message.slice(path.length + 2) : message;
}

function describeLayer({ source, format, size }: OpenLayer): LayerInfo {
  const { path, size: hostSize, allocated } = source;
  return { path, format, virtualSize: size, hostSize, allocated };
}

function describeFeatures(layout: QcowLayout): FeatureInfo {
  return {
    version: layout.version,
    clusterSize: layout.clusterBytes,
    compression: layout.compression,
    extendedL2: layout.extendedL2,
    refcountBits: 2 ** layout.refcountOrder,
    ...layout.features,
    dataFile: layout.dataFileName,
    dataFileRaw: layout.dataFileRaw,
  };
}

/** Sentences about a layer; the image itself is not named in them. */
function problemsOf({ source, qcow }: OpenLayer, top: string): string[] {
  if (!qcow?.layout.features.corrupt) return [];
  const prefix = source.path === top ? '' : `${source.path}: `;
  return [
    `${prefix}marked as corrupt: it can be read, and written when qemu-img check repaired it`,
  ];
}

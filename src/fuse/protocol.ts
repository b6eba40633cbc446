import type { Requests } from '../plane/requests.js';
import type { DiskService } from '../plane/transport.js';
import type { Tree, TreeNode } from '../tree/tree.js';
import type { Attributes } from './attributes.js';
import type { BackingFiles } from './backing-files.js';
import type { Files } from './files.js';
import type { Negotiated } from './init.js';

/** The request takes no reply (FORGET). Outside the errno range. */
export const NO_REPLY = -10_001;

/** The objects that the readers of requests and the writers of replies share. */
export interface Protocol {
  /** The plane's memory. */
  readonly view: DataView;
  readonly bytes: Uint8Array;
  readonly requests: Requests;
  readonly disks: DiskService;
  readonly tree: Tree;
  readonly files: Files;
  readonly attributes: Attributes;
  readonly pageCache: boolean;
  readonly backings: BackingFiles;
  /** The most asynchronous requests at a time, with FUSE over io_uring; missing: as many as there are. */
  readonly maxBackground: number | undefined;
  /** Flags of INIT's second word that this mount asks for besides. */
  readonly more: number;
  /** Set by INIT. */
  readonly agreed: Negotiated;
}

/**
 * Does what a request asks.
 * @param body Where the request goes on behind its header, for `length` bytes.
 * @returns A result from 0, -errno, DEFERRED or NO_REPLY.
 */
export type Begin = (
  protocol: Protocol,
  request: number,
  node: TreeNode,
  body: number,
  length: number,
) => number;

/** Writes the payload for a result at `out`; returns its length in bytes. */
export type Encode = (
  protocol: Protocol,
  out: number,
  result: number,
  node: TreeNode,
  request: number,
) => number;

import type { Memory } from '../buffers/memory.js';
import type { Engine } from '../host/engine.js';
import type { Extent } from '../image/extent.js';
import type { Disk } from './disk.js';
import type { Replies } from './replies.js';
import type { Requests } from './requests.js';
import type { Tasks } from './tasks.js';

/** Objects that reads and writes of disks share. */
export interface Parts {
  readonly requests: Requests;
  readonly memory: Memory;
  /** By number; see DiskTable. */
  readonly disks: readonly (Disk | undefined)[];
  readonly engine: Engine;
  readonly tasks: Tasks;
  /** Called when a lock that a request waits for is its own. */
  readonly granted: (request: number) => void;
  /** Scratch answer of `Driver.map`. */
  readonly extent: Extent;
  /** Sends replies, also linked to transfers. */
  readonly replies: Replies;
}

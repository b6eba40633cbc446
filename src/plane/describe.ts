import * as abi from '../fuse/abi.js';
import { OPCODES } from '../fuse/opcodes.js';
import { errnoName } from '../util/errno.js';
import { NONE, type Requests } from './requests.js';

/** Requests that are about a range of a disk. */
const RANGED: ReadonlySet<number> = new Set([abi.READ, abi.WRITE, abi.FALLOCATE]);

/** One line about a request and its reply, for `--verbose`. */
export function describe(requests: Requests, request: number, length: number): string {
  const opcode = requests.opcode[request]!;
  const name = OPCODES[opcode]?.name ?? `opcode ${opcode}`;
  const isRanged = RANGED.has(opcode) && requests.disk[request] !== NONE;
  const range = isRanged ? ` ${requests.length[request]} at ${requests.offset[request]}` : '';
  const result = length < 0 ? errnoName(length) : `${length} bytes`;
  return `#${requests.uniqueLow[request]} ${name} node ${requests.node[request]}${range}: ${result}`;
}

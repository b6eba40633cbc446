import { join } from 'node:path';
import { runProgram } from '../sys/run-program.js';
import type { ControlOrder, ControlResult } from './control-writer.js';

/** A healthy daemon answers within milliseconds, also while all its groups are saturated. */
const WRITE_LIMIT_MS = 5000;

const WRITER = join(import.meta.dirname, '../server/control-writer.js');

/** Writes control files of a group of a live mount, in bounded time. Null: all is done. */
export async function changeGroup(order: ControlOrder): Promise<ControlResult> {
  const ran = await runProgram(process.execPath, [WRITER, JSON.stringify(order)], WRITE_LIMIT_MS);
  if (ran.timedOut) return { file: '', errno: 'ETIMEDOUT', reason: '' };
  if (ran.code !== 0) return { file: '', errno: 'EIO', reason: ran.stderr.trim() };
  return JSON.parse(ran.stdout) as ControlResult;
}

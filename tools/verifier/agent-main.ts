import { close, fsync, mkdir, open, read, rmdir, write } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { fallocate, ftruncate } from '../../src/sys/libc.js';
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
} from '../exerciser/libc.js';
import type { AgentAnswer, AgentTask } from './agent.js';
import { generationsOf, SECTOR, stamp } from './stamps.js';

type Callback = (error: NodeJS.ErrnoException | null, result?: number) => void;

/** The result of a call of node:fs as the kernel gives it: a number, or -errno. */
function resultOf(call: (callback: Callback) => void): Promise<number> {
  return new Promise((resolve) => {
    call((error, result) => resolve(error === null ? (result ?? 0) : (error.errno ?? -5)));
  });
}

async function readSectors(task: Extract<AgentTask, { call: 'read' }>): Promise<AgentAnswer> {
  const bytes = Buffer.alloc(task.count * SECTOR);
  const at = task.sector * SECTOR;
  const result = await resultOf((done) => read(task.fd, bytes, 0, bytes.length, at, done));
  const whole = bytes.subarray(0, Math.max(0, result - (result % SECTOR)));
  return { result, generations: generationsOf(whole, task.image, task.sector) };
}

function writeSectors(task: Extract<AgentTask, { call: 'write' }>): Promise<number> {
  const bytes = Buffer.alloc(task.count * SECTOR);
  stamp(bytes, task.image, task.sector, task.generation);
  const at = task.sector * SECTOR;
  return resultOf((done) => write(task.fd, bytes, 0, bytes.length, at, done));
}

async function perform(task: AgentTask): Promise<AgentAnswer> {
  switch (task.call) {
    case 'open':
      return { result: await resultOf((done) => open(task.path, task.flags, done)) };
    case 'close':
      return { result: await resultOf((done) => close(task.fd, done)) };
    case 'read':
      return readSectors(task);
    case 'write':
      return { result: await writeSectors(task) };
    case 'discard':
    case 'zero': {
      const kind = task.call === 'zero' ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE;
      const [at, length] = [task.sector * SECTOR, task.count * SECTOR];
      return { result: await fallocate(task.fd, kind | FALLOC_FL_KEEP_SIZE, at, length) };
    }
    case 'truncate':
      return { result: await ftruncate(task.fd, task.sectors * SECTOR) };
    case 'sync':
      return { result: await resultOf((done) => fsync(task.fd, done)) };
    case 'mkdir':
      return { result: await resultOf((done) => mkdir(task.path, done)) };
    case 'rmdir':
      return { result: await resultOf((done) => rmdir(task.path, done)) };
    case 'put':
      return writeFile(task.path, task.text).then(
        () => ({ result: 0 }),
        (error: NodeJS.ErrnoException) => ({ result: error.errno ?? -5 }),
      );
  }
}

process.on('disconnect', () => process.exit());
process.on('message', async ({ id, task }: { id: number; task: AgentTask }) => {
  process.send?.({ id, answer: await perform(task) });
});

import { statSync } from 'node:fs';
import { ERRNO } from '../../src/util/errno.js';
import { allocateMemory, copyMemory, systemCalls } from '../../tools/exerciser/libc.js';
import type { AgentAnswer, AgentCall } from './file-agent.js';

const PAGE = 4096;
const memory = allocateMemory(4 << 20);
const NO_BYTES = Buffer.alloc(0);

function withMapping(
  fd: number,
  offset: number,
  length: number,
  writable: boolean,
  use: (address: number, start: number, mapped: number) => number,
): number {
  const before = offset % PAGE;
  const mapped = Math.ceil((before + length) / PAGE) * PAGE;
  const start = systemCalls.map(fd, offset - before, mapped, writable);
  if (start < 0) return start;
  const result = use(start + before, start, mapped);
  systemCalls.munmap(start, mapped);
  return result;
}

const opened = new Set<number>();

function open(path: string, flags: number): number {
  const fd = systemCalls.open(path, flags, 0);
  if (fd >= 0) opened.add(fd);
  return fd;
}

function close(fd: number): number {
  opened.delete(fd);
  return systemCalls.close(fd);
}

function size(path: string): number {
  try {
    return statSync(path).size;
  } catch (error) {
    return -ERRNO[(error as NodeJS.ErrnoException).code as keyof typeof ERRNO];
  }
}

function answer(asked: AgentCall): AgentAnswer {
  const only = (result: number): AgentAnswer => ({ result, bytes: NO_BYTES });
  const read = (result: number): AgentAnswer => ({
    result,
    bytes: Buffer.from(memory.bytes.subarray(0, Math.max(0, result))),
  });
  switch (asked.call) {
    case 'open':
      return only(open(asked.path, asked.flags));
    case 'close':
      return only(close(asked.fd));
    case 'pread':
      return read(systemCalls.pread(asked.fd, memory.address, asked.length, asked.offset));
    case 'pwrite': {
      const length = memory.bytes.byteLength < asked.bytes.length ? 0 : asked.bytes.length;
      Buffer.from(asked.bytes).copy(memory.bytes);
      return only(systemCalls.pwrite(asked.fd, memory.address, length, asked.offset));
    }
    case 'fallocate':
      return only(systemCalls.fallocate(asked.fd, asked.mode, asked.offset, asked.length));
    case 'ftruncate':
      return only(systemCalls.ftruncate(asked.fd, asked.length));
    case 'lseek':
      return only(systemCalls.lseek(asked.fd, asked.offset, asked.whence));
    case 'fsync':
      return only(systemCalls.fsync(asked.fd));
    case 'closeAll':
      for (const fd of opened) close(fd);
      return only(0);
    case 'stat':
      return only(size(asked.path));
    case 'mapRead': {
      const { fd, offset, length } = asked;
      return read(
        withMapping(fd, offset, length, false, (address) => {
          copyMemory(memory.address, address, length);
          return length;
        }),
      );
    }
    case 'mapWrite': {
      const { fd, offset, bytes, msync } = asked;
      Buffer.from(bytes).copy(memory.bytes);
      return only(
        withMapping(fd, offset, bytes.length, true, (address, start, mapped) => {
          copyMemory(address, memory.address, bytes.length);
          return msync ? systemCalls.msync(start, mapped) : 0;
        }),
      );
    }
  }
}

process.on('disconnect', () => process.exit());
process.on('message', (asked) => {
  process.send?.(answer(asked as AgentCall));
});

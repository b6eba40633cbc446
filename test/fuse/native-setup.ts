import { nativeCallbacks } from '../../src/fuse/native-callbacks.js';
import type { NativeThread } from '../../src/fuse/native-locals.js';
import type { NativeBinding } from '../../src/fuse/native-package.js';
import { NativeSession } from '../../src/fuse/native-session.js';
import { Tree } from '../../src/tree/tree.js';
import { FakeDisks, memory } from './exchange.js';

/** A session over the tree `web.raw`, `.groups/io.max`, without libfuse: its callbacks are called here. */
export function nativeSetUp(pageCache = false) {
  const disks = new FakeDisks();
  const tree = new Tree();
  tree.addDisk(tree.root, 'web.raw', 7);
  const groups = tree.addDirectory(tree.root, '.groups');
  const changes: string[] = [];
  groups.changes = {
    makeDirectory: (name) => {
      changes.push(`make ${name}`);
      return tree.addDirectory(groups, name).id;
    },
    removeDirectory: (name) => {
      changes.push(`remove ${name}`);
      return 0;
    },
  };
  tree.addControl(groups, 'io.max', {
    mode: 0o644,
    read: () => 'rbps=max\n',
    write: (bytes) => {
      changes.push(`write ${Buffer.from(bytes)}`);
      return 0;
    },
  });
  const owner = { uid: 1000, gid: 100 };
  const session = new NativeSession({ memory, disks, tree, owner, pageCache, trace: null });
  const loop = { turns: 0, begin: () => {}, wake: () => void loop.turns++ };
  const linked: [semaphore: number, address: number][] = [];
  const linker = {
    canReply: false,
    replyBehind: (semaphore: number, address: number) => void linked.push([semaphore, address]),
    wake: () => {},
  };
  session.attach(loop, linker);

  /** Results that were signalled, in order. */
  const signals: number[] = [];
  const signal = (_thread: Buffer, result: number): void => void signals.push(result);
  const binding = { fuse_native_signal_read: signal, fuse_native_signal_write: signal };
  const handlers = session.transferHandlers(binding as unknown as NativeBinding);
  const thread = Object.assign(Buffer.alloc(360), { address: 0x1000 }) as NativeThread;
  const read = (handle: number, buffer: Buffer, offset: number): void =>
    handlers.read(thread, 0, '', handle, buffer, buffer.length, offset, 0);
  const write = (handle: number, data: Buffer, offset: number): void =>
    handlers.write(thread, 0, '', handle, data, data.length, offset, 0);

  const callbacks = nativeCallbacks(session);
  /** Calls a callback and returns its answer: a result, and a value where there is one. */
  const call = (begin: (answer: (...results: unknown[]) => void) => void): unknown[] => {
    let answer: unknown[] = [];
    begin((...results) => {
      answer = results;
    });
    return answer;
  };
  /** Opens a file and returns libfuse's number of it. */
  const open = (path: string): number =>
    call((answer) => callbacks.open(path, 2, answer))[1] as number;
  const parts = { session, disks, tree, loop, linked, linker, thread, changes, signals };
  return { ...parts, callbacks, call, open, read, write };
}

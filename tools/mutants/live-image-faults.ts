import type { Mutation } from './mutation.js';

/** Faults of images that come and go while the mount is served. */
export const LIVE_IMAGE_FAULTS: readonly Mutation[] = [
  {
    name: 'detach-does-not-wait',
    fault: 'a detach flushes the image while requests for it are under way',
    changes: [
      {
        file: 'plane/live-images.ts',
        from: 'isEnded() && !plane.own.isAt(disk.image) &&',
        to: '!plane.own.isAt(disk.image) &&',
      },
    ],
  },
  {
    name: 'detach-does-not-refuse',
    fault: 'an image that is being detached takes requests',
    changes: [
      {
        file: 'plane/live-images.ts',
        from: '    this.#refuse(shown, -ERRNO.EBUSY);\n',
        to: '',
      },
    ],
  },
  {
    name: 'detach-without-flush',
    fault: 'an image is detached without its last flush',
    changes: [
      {
        file: 'plane/live-images.ts',
        from: 'this.#parts.plane().lastFlush.startOf(departure.shown.disk.image, ended);',
        to: 'ended({ failed: 0, lost: 0 });',
      },
    ],
  },
  {
    name: 'detach-keeps-files',
    fault: 'the files of an image that is gone stay in the ring',
    changes: [
      {
        file: 'plane/live-images.ts',
        from: '    for (const file of image.files) io.engine.remove(file);\n',
        to: '',
      },
    ],
  },
  {
    name: 'detach-drops-errno',
    fault: 'a forced detach says that all is well though the last flush has failed',
    changes: [
      {
        file: 'plane/image-changes.ts',
        from: 'const problem = sentence(path, flushed, isThere);',
        to: 'const problem = force ? null : sentence(path, flushed, isThere);',
      },
    ],
  },
  {
    name: 'failed-detach-refuses-on',
    fault: 'an image that stays because it could not be flushed refuses its requests for ever',
    changes: [
      {
        file: 'plane/live-images.ts',
        from: '      this.#refuse(shown, 0);\n',
        to: '',
      },
    ],
  },
  {
    name: 'hurried-without-slot',
    fault: 'requests that a forced detach lets go wait for a slot that receives have',
    changes: [
      {
        file: 'buffers/memory.ts',
        from: 'const OUTSIDE_SLOTS = 1;',
        to: 'const OUTSIDE_SLOTS = 0;',
      },
    ],
  },
  {
    name: 'no-number-for-own-tasks',
    fault: 'a detach finds no request number where all are given out to callers',
    changes: [
      { file: 'plane/requests.ts', from: 'const OWN_TASKS = 4;', to: 'const OWN_TASKS = 0;' },
    ],
  },
  {
    name: 'resize-drops-errno',
    fault: 'an image that could not grow is said to have grown',
    changes: [
      {
        file: 'plane/image-changes.ts',
        from: 'const error = result < 0 ? recordOf(',
        to: 'const error = result < -100000 ? recordOf(',
      },
    ],
  },
  {
    name: 'detached-image-is-listed',
    fault: 'the control plane keeps the files of a detached image open, with their locks',
    changes: [
      {
        file: 'server/image-orders.ts',
        from: '      await images.release(name);\n      this.#asked.delete(name);',
        to: '      this.#asked.delete(name);',
      },
    ],
  },
  {
    name: 'attach-without-memory-keeps-files',
    fault: 'the files of an image that finds no memory stay in the ring',
    changes: [
      {
        file: 'plane/live-images.ts',
        from: '      for (const file of files) io.engine.remove(file);\n',
        to: '',
      },
    ],
  },
  {
    name: 'failed-attach-stays',
    fault: 'an image whose group is not there is refused, and its file stays in the mount',
    changes: [{ file: 'plane/image-changes.ts', from: '    images.undo(disk);\n', to: '' }],
  },
  {
    name: 'faults-of-another-kind',
    fault: 'flushes have the faults of writes',
    changes: [
      {
        file: 'plane/fault-filter.ts',
        from: "KINDS[FLUSH] = FAULTY.indexOf('flush');",
        to: "KINDS[FLUSH] = FAULTY.indexOf('write');",
      },
    ],
  },
  {
    name: 'late-request-does-not-fail',
    fault: 'a request that is late on purpose does not get the error that it was to have',
    changes: [
      {
        file: 'plane/fault-filter.ts',
        from: '    this.#late.errnos[request] = errno;\n',
        to: '    this.#late.errnos[request] = Math.max(0, errno);\n',
      },
    ],
  },
  {
    name: 'table-not-read-again',
    fault: 'a partition table that was written is not read again by the flush behind it',
    changes: [
      { file: 'plane/disk-requests.ts', from: '    yield* partitions.reread(request);\n', to: '' },
    ],
  },
  {
    name: 'table-write-not-seen',
    fault: 'a write to the partition table goes unnoticed',
    changes: [
      {
        file: 'plane/writes.ts',
        from: '    image.partitions?.watch.wrote(start, start + requests.length[request]!);\n',
        to: '',
      },
    ],
  },
  {
    name: 'partition-keeps-place',
    fault: 'a partition that begins elsewhere now keeps its old place, though nobody has it open',
    changes: [
      {
        file: 'plane/image-partitions.ts',
        from: 'const isThere = disk.config.start === partition.start;',
        to: 'const isThere = disk.config.start >= 0;',
      },
    ],
  },
  {
    name: 'reform-half-made',
    fault: 'groups of a configuration that cannot be made as a whole stay as far as they were made',
    changes: [
      {
        file: 'plane/reform-groups.ts',
        from: '      for (const undo of undos.toReversed()) undo();\n',
        to: '',
      },
    ],
  },
  {
    name: 'reload-not-taken-back',
    fault: 'images that came with a configuration that cannot be followed as a whole stay',
    changes: [
      {
        file: 'server/reload.ts',
        from: 'for (const undo of undos.toReversed()) {',
        to: 'for (const undo of undos.slice(undos.length)) {',
      },
    ],
  },
  {
    name: 'overlay-stays',
    fault: 'the new overlay of an image that does not come stays',
    words: ['--image', '18'],
    changes: [{ file: 'server/image-orders.ts', from: '      discard(opened);\n', to: '' }],
  },
  {
    name: 'overlay-too-short',
    fault: 'a new overlay is shorter than the image below it',
    words: ['--image', '18'],
    changes: [
      {
        file: 'server/overlay.ts',
        from: 'const { size } = base;',
        to: 'const size = Math.min(512, base.size);',
      },
    ],
  },
];

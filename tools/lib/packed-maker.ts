import { execFileSync } from 'node:child_process';
import { crc32, deflateRawSync } from 'node:zlib';

// Packed raw images of which each part can be unpacked alone, after the SAM specification (blocked gzip),
// the seekable format of Zstandard, and by the program xz.

/** A block as bgzip writes it: a member of gzip with its length in an extra field. */
export function block(bytes: Buffer, extra = ''): Buffer {
  const packed = deflateRawSync(bytes);
  const more = Buffer.from(extra, 'latin1');
  const head = Buffer.from('1f8b08040000000000ff0000' + '42430200' + '0000', 'hex');
  head.writeUInt16LE(6 + more.length, 10);
  const length = head.length + more.length + packed.length + 8;
  head.writeUInt16LE(length - 1, 16);
  const fields = [head.subarray(12), more];
  const tail = Buffer.alloc(8);
  tail.writeUInt32LE(crc32(bytes), 0);
  tail.writeUInt32LE(bytes.length, 4);
  return Buffer.concat([
    head.subarray(0, 12),
    // Other fields may come first.
    ...(extra === '' ? fields : fields.reverse()),
    packed,
    tail,
  ]);
}

function cut(bytes: Buffer, length: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / length) }, (_, index) => {
    return bytes.subarray(index * length, (index + 1) * length);
  });
}

/** A file of such blocks, with the mark of its end. */
export function bgzf(content: Buffer, length = 0xff00): Buffer {
  return Buffer.concat([...cut(content, length).map((one) => block(one)), block(Buffer.alloc(0))]);
}

/** Frames of the program zstd, with a seek table. */
export function seekable(content: Buffer, length: number, hasChecksums = false): Buffer {
  const parts = cut(content, length);
  const frames = parts.map((input) =>
    execFileSync('zstd', ['-q', '-c'], { input, maxBuffer: 4 << 20 }),
  );
  const entries = frames.flatMap((frame, index) => {
    const sizes = [frame.length, parts[index]!.length];
    return hasChecksums ? [...sizes, 0x12345678] : sizes;
  });
  const table = Buffer.alloc(8 + entries.length * 4 + 9);
  table.writeUInt32LE(0x184d2a5e, 0);
  table.writeUInt32LE(table.length - 8, 4);
  for (const [index, entry] of entries.entries()) table.writeUInt32LE(entry, 8 + index * 4);
  table.writeUInt32LE(frames.length, table.length - 9);
  table[table.length - 5] = hasChecksums ? 0x80 : 0;
  table.writeUInt32LE(0x8f92eab1, table.length - 4);
  return Buffer.concat([...frames, table]);
}

/**
 * A file of xz in blocks.
 *
 * @param threads With several, the headers of blocks have their sizes.
 */
export function xzBlocks(content: Buffer, length: number, check: string, threads = 1): Buffer {
  const words = ['-0', '-c', `-T${threads}`, `--check=${check}`, `--block-size=${length}`];
  return execFileSync('xz', words, { input: content, maxBuffer: 64 << 20 });
}

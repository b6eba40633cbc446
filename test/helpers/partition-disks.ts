import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { makeTable, told } from './partition-tools.js';
import { must } from './run.js';
import type { SluiceMount } from './sluice-mount.js';
import { MIB, patternFile } from './temp.js';

/** Scripts of sfdisk for disks of 32 MiB. */
export const GPT = 'label: gpt\nsize=16384,name=one\nsize=8192,name=two\n';
export const MBR =
  'label: dos\nsize=8192,type=83\ntype=5\nsize=8192,type=83\nsize=4096,type=82,bootable\n';

/** A disk of 32 MiB full of noise, with a table. */
export function noisyDisk(folder: string, script: string, name = 'disk.img'): string {
  const path = patternFile(join(folder, name), 32 * MIB);
  const scratch = makeTable(`${path}.table`, statSync(path).size, script);
  const content = readFileSync(scratch);
  const file = openSync(path, 'r+');
  // Tables lie in the MiB before a partition, and at the end of the disk.
  for (const { start } of [...told(scratch).partitions, { start: content.length }]) {
    const from = Math.max(0, start - MIB);
    writeSync(file, content, from, start - from, from);
  }
  closeSync(file);
  return path;
}

/** Names of the image files in a mount, sorted. */
export async function listed(mount: SluiceMount): Promise<string[]> {
  return (await must('ls', [mount.point])).trimEnd().split('\n');
}

/** Writes a table through the mount. */
export function writeThrough(mount: SluiceMount, script: string, name = 'disk'): Promise<string> {
  const line = `printf '${script.replaceAll('\n', '\\n')}' | sfdisk -q --wipe never "$0"`;
  return must('bash', ['-c', line, mount.file(name)]);
}

/** Each partition that sfdisk finds in `image` must be in the mount, byte for byte. */
export async function checkFiles(
  t: ExecutionContext,
  mount: SluiceMount,
  image: string,
): Promise<void> {
  const content = readFileSync(image);
  const partitions = told(image).partitions.filter(({ isExtended }) => !isExtended);
  const names = ['disk.raw', ...partitions.map(({ number }) => `disk.p${number}.raw`)];
  t.deepEqual(await listed(mount), names.sort());
  for (const { number, start, size } of partitions) {
    const shown = await must('sha256sum', [mount.file(`disk.p${number}`)]);
    const expected = createHash('sha256').update(content.subarray(start, start + size));
    t.is(shown.split(' ')[0], expected.digest('hex'), `p${number}`);
  }
}

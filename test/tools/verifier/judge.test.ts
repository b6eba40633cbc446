import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { LocalFile } from '../../../src/host/local-file.js';
import { ImageModel } from '../../../tools/verifier/image-model.js';
import {
  checkContent,
  checkTables,
  type HostImage,
  writeContent,
} from '../../../tools/verifier/judge.js';
import { SECTOR } from '../../../tools/verifier/stamps.js';
import { requires } from '../../helpers/requires.js';
import { must } from '../../helpers/run.js';
import { tempFolder } from '../../helpers/temp.js';

const SECTORS = 8192;

/** An image of each format with content, and its model. */
async function makeImages(
  t: ExecutionContext,
): Promise<{ raw: HostImage; qcow2: HostImage; model: () => ImageModel; scratch: string }> {
  const folder = tempFolder(t);
  const raw: HostImage = { path: join(folder, 'disk.raw'), format: 'raw' };
  const qcow2: HostImage = { path: join(folder, 'disk.qcow2'), format: 'qcow2' };
  await writeContent(new ImageModel(1, SECTORS), raw.path, SECTORS);
  await must('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw.path, qcow2.path]);
  const model = (): ImageModel => {
    const one = new ImageModel(1, SECTORS);
    one.fill(0, SECTORS);
    return one;
  };
  return { raw, qcow2, model, scratch: join(folder, 'scratch') };
}

/** Overwrites a byte of a file. */
function poke(path: string, at: number, value: number): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, Uint8Array.of(value), 0, 1, at);
  closeSync(fd);
}

const qemuTest = requires('qemu');

qemuTest('images that are as their model says pass', async (t) => {
  const { raw, qcow2, model, scratch } = await makeImages(t);
  for (const image of [raw, qcow2]) {
    await t.notThrowsAsync(checkTables(image, 'sound'));
    await t.notThrowsAsync(checkContent(model(), image, 'kept', scratch));
  }
});

qemuTest('one wrong byte, a lost write and a file cut short are found', async (t) => {
  const { raw, qcow2, model, scratch } = await makeImages(t);
  const written = model();
  written.answer(written.begin(4000, 1), 1);
  await t.throwsAsync(checkContent(written, qcow2, 'kept', scratch), {
    message: /image 1, sector 4000: generation 1; synced was 1, since then 2 \(kept\)$/,
  });
  poke(raw.path, 5000 * SECTOR + 77, 0);
  await t.throwsAsync(checkContent(model(), raw, 'cut', scratch), {
    message: /image 1, sector 5000: bytes that nobody wrote; synced was 1 \(cut\)$/,
  });
  await must('truncate', ['-s', '1M', raw.path]);
  await t.throwsAsync(checkContent(model(), raw, 'cut', scratch), { message: /: 2048 sectors;/ });
});

qemuTest('tables that are corrupt, and an image that is locked, are found', async (t) => {
  const { raw, qcow2 } = await makeImages(t);
  const file = new LocalFile(raw.path);
  t.teardown(() => file.close());
  file.lock(true);
  await t.throwsAsync(checkTables(raw, 'sound'), { message: /Failed to get "write" lock/ });
  // The first refcount, that of the header, becomes 0.
  const bytes = readFileSync(qcow2.path);
  const table = Number(bytes.readBigUInt64BE(48));
  poke(qcow2.path, Number(bytes.readBigUInt64BE(table)) + 1, 0);
  await t.throwsAsync(checkTables(qcow2, 'leaks at most'), {
    message: /qemu-img finds \(code 2\)/,
  });
});

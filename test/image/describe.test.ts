import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { describeImage } from '../../src/image/describe.js';
import type { ChainOptions } from '../../src/image/open-chain.js';
import { SluiceError } from '../../src/util/errors.js';

const AUTO: ChainOptions = { format: 'auto', backingFormats: [], snapshot: null };

const folder = mkdtempSync(join(tmpdir(), 'sluice-describe-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

function isInstalled(program: string): boolean {
  try {
    execFileSync('which', [program]);
    return true;
  } catch {
    console.log(`skipped: ${program} is missing`);
    return false;
  }
}

test('a size that is no multiple of 512 is shown rounded up', (t) => {
  const path = join(folder, 'odd.img');
  writeFileSync(path, 'x');
  truncateSync(path, 1000);
  const info = describeImage(path, AUTO);
  t.is(info.format, 'raw');
  t.is(info.hostSize, 1000);
  t.is(info.virtualSize, 1024);
  t.is(info.allocated, Number(execFileSync('stat', ['--format=%b', path])) * 512);
});

const qemu = isInstalled('qemu-img') ? test : test.skip;

for (const [type, format] of [
  ['vhdx', 'vhdx'],
  ['vpc', 'vhd'],
  ['vdi', 'vdi'],
  ['qed', 'qed'],
  ['parallels', 'parallels'],
] as const) {
  qemu(`an image that qemu-img makes as ${type} is named as ${format}`, (t) => {
    const path = join(folder, type);
    execFileSync('qemu-img', ['create', '-q', '-f', type, path, '1M']);
    const info = describeImage(path, AUTO);
    t.is(info.format, format);
    t.is(info.virtualSize, null);
    // Some can be mounted, under a name that says so.
    t.regex(info.problems.join(), new RegExp(`^looks like ${format}[, ].*--format raw`));
  });
}

qemu('told that it is raw, any image is raw', (t) => {
  const path = join(folder, 'forced');
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', path, '1M']);
  const info = describeImage(path, { ...AUTO, format: 'raw' });
  t.is(info.format, 'raw');
  t.deepEqual(info.problems, []);
});

test('what is no image is refused with exit code 3', (t) => {
  for (const path of [folder, '/dev/null']) {
    const error = t.throws(() => describeImage(path, AUTO), { instanceOf: SluiceError });
    t.is(error?.exitCode, 3);
  }
});

import test from 'ava';
import { writeContentId } from '../../src/image/content-id.js';
import { BlockHost, runTask } from '../helpers/block-host.js';

const EIO = 5;
const TEXT = `# Disk DescriptorFile\nversion=1\nparentCID=11111111\nCID=0000beef\n${'#'.repeat(700)}\n`;
const AT = TEXT.indexOf('0000beef');

for (const alignment of [1, 512, 4096]) {
  test(`it is written and synced, in blocks of ${alignment}, and the file keeps its size`, (t) => {
    // The text lies across two blocks of 512 bytes.
    const before = Buffer.from('#'.repeat(508 - AT) + TEXT);
    const host = new BlockHost([before], alignment);
    const id = { offset: 508, text: '12345678' };
    const task = writeContentId(0, host.io.engine, 0, before.length, alignment, id);
    t.is(runTask(task), 0);
    t.is(host.files[0]!.toString(), before.toString().replace('0000beef', '12345678'));
    t.is(host.log.at(-1), 'flush 0');
  });
}

test('errors of the host are told', (t) => {
  // It ends within the block.
  const bytes = Buffer.from(TEXT.slice(0, AT + 100));
  const id = { offset: AT, text: '12345678' };
  for (const part of ['read', 'write', 'flush', 'resize']) {
    const host = new BlockHost([bytes], 512);
    host.fault = (call) => (call.startsWith(part) ? -EIO : null);
    t.is(runTask(writeContentId(0, host.io.engine, 0, bytes.length, 512, id)), -EIO);
  }
  const cut = new BlockHost([bytes.subarray(0, AT)], 512);
  t.is(runTask(writeContentId(0, cut.io.engine, 0, AT, 512, id)), -EIO);
});

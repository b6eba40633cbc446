import test from 'ava';
import { renewed } from '../../../src/image/vmdk/content-id.js';

const TEXT = `# Disk DescriptorFile\nversion=1\nparentCID=11111111\nCID=0000beef\n${'#'.repeat(700)}\n`;
const AT = TEXT.indexOf('0000beef');

test('a new content ID differs from the old one, is as long, and is none of those that mean more', (t) => {
  const seen = new Set<string>();
  for (let i = 0; i < 200; i++) {
    const { offset, text } = renewed(Buffer.from(TEXT), 1000)!;
    t.is(offset, 1000 + AT);
    t.regex(text, /^[0-9a-f]{8}$/);
    t.not(text, '0000beef');
    t.false(['ffffffff', 'fffffffe'].includes(text));
    seen.add(text);
  }
  t.true(seen.size > 100);
  const short = new Set(
    Array.from({ length: 200 }, () => renewed(Buffer.from(TEXT.replace('0000beef', '5')), 0)!.text),
  );
  t.deepEqual([...short].sort(), [...'012346789abcd']);
  t.is(renewed(Buffer.from('parentCID=1\n'), 0), null);
});

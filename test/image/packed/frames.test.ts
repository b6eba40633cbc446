import test from 'ava';
import { FRAME_BYTES_MAX, FrameList, notSeekable } from '../../../src/image/packed/frames.js';

test('frames follow each other, in the image and in the file', (t) => {
  const list = new FrameList('/a');
  list.add(10, 100);
  list.add(5, 0);
  list.add(20, 300);
  const frames = list.frames();
  t.deepEqual([...frames.starts], [0, 100, 100, 400]);
  t.deepEqual([...frames.places], [0, 10, 15, 35]);
  t.is(frames.size, 400);
  t.is(frames.longest, 300);
});

test('a frame that is too long is refused, packed or unpacked', (t) => {
  const list = new FrameList('/a');
  list.add(FRAME_BYTES_MAX, FRAME_BYTES_MAX);
  for (const [packed, unpacked] of [
    [1, FRAME_BYTES_MAX + 1],
    [FRAME_BYTES_MAX + 1, 1],
  ] as const) {
    t.throws(() => list.add(packed, unpacked), {
      message: /^\/a: it has frames of more than 4 MiB/,
    });
  }
});

test('the command for a stream names the file', (t) => {
  const { message } = notSeekable('/x/a.img.gz', 'it is a stream', 'gzip');
  t.regex(
    message,
    /"gzip -dc \/x\/a\.img\.gz \| bgzip > \/x\/a\.img\.bgzf\.gz" makes one that can \(bgzip: package tabix or htslib\)$/,
  );
});

test('the command can be pasted into a shell whatever the name', (t) => {
  const { message } = notSeekable("/x/it's a disk.xz", 'it is a stream', 'xz', ['xz -T0', 'b.xz']);
  t.true(
    message.endsWith(
      `"xz -dc '/x/it'\\''s a disk.xz' | xz -T0 > '/x/it'\\''s a disk.b.xz'" makes one that can`,
    ),
    message,
  );
});

import test from 'ava';
import { ControlHandles } from '../../src/fuse/control-handles.js';

function read(handles: ControlHandles, handle: number, offset: number, length: number): string {
  const target = Buffer.alloc(64, '.');
  const bytes = handles.read(handle, offset, length, target, 8);
  checkBefore(target);
  return target.toString('utf8', 8, 8 + bytes);
}

/** The bytes before the place of the data must not have changed. */
function checkBefore(target: Buffer): void {
  if (target.toString('utf8', 0, 8) !== '........')
    throw new Error('bytes before the data changed');
}

test('a handle keeps the content of its open, and reads it in parts', (t) => {
  const handles = new ControlHandles();
  const [first, second] = [handles.open('first\n'), handles.open('second\n')];
  t.is(read(handles, first, 0, 64), 'first\n');
  t.is(read(handles, second, 0, 3), 'sec');
  t.is(read(handles, second, 3, 64), 'ond\n');
  t.is(read(handles, second, 7, 64), '');
});

test('a renewed handle reads the new content, a closed one nothing', (t) => {
  const handles = new ControlHandles();
  const [first, second] = [handles.open('old'), handles.open('old')];
  handles.renew(first, 'new');
  t.deepEqual([read(handles, first, 0, 64), read(handles, second, 0, 64)], ['new', 'old']);
  handles.close(first);
  t.deepEqual([read(handles, first, 0, 64), read(handles, second, 0, 64)], ['', 'old']);
});

test('another process reads on in open files, and gives out other handles', (t) => {
  const before = new ControlHandles();
  const [closed, plain, asked] = [before.open('a'), before.open('plain\n'), before.open('')];
  before.close(closed);
  before.renew(asked, () => 'answer\n');
  const handles = new ControlHandles();
  handles.carryIn(structuredClone(before.carryOut()));
  t.deepEqual(
    [closed, plain, asked].map((one) => read(handles, one, 0, 64)),
    ['', 'plain\n', 'answer\n'],
  );
  t.false([closed, plain, asked].includes(handles.open('new')));
});

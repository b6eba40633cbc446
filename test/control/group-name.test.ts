import test from 'ava';
import { groupPath, namedGroup } from '../../src/control/group-name.js';
import { SluiceError } from '../../src/util/errors.js';

test('a group is named with or without slashes around it', (t) => {
  t.deepEqual(['/', '/a', 'a/b/', 'ü x'].map(namedGroup), ['', 'a', 'a/b', 'ü x']);
  t.is(groupPath('/a/'), 'a');
});

for (const asked of [
  '',
  '..',
  '../../other/.groups',
  'a/..',
  'a//b',
  'a/io.max',
  'members',
  '.x',
]) {
  test(`"${asked}" names no group`, (t) => {
    const error = t.throws(() => namedGroup(asked), { instanceOf: SluiceError });
    t.deepEqual([error?.errno, error?.exitCode], ['EINVAL', 2]);
  });
}

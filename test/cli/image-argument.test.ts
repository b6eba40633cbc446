import test from 'ava';
import { parseImageArgument } from '../../src/cli/image-argument.js';
import { defaultName } from '../../src/control/image-name.js';
import { SluiceError } from '../../src/util/errors.js';

test('the default name is the base name without its last ending', (t) => {
  const names: [string, string][] = [
    ['disk.img', 'disk'],
    ['vm.qcow2', 'vm'],
    ['disk', 'disk'],
    ['/dev/vda', 'vda'],
    ['/srv/web.old.img', 'web.old'],
    ['.hidden', '.hidden'],
    ['a b.img', 'a b'],
  ];
  for (const [path, name] of names) t.is(defaultName(path), name, path);
});

test('NAME= splits at the first =, unless a slash comes before it', (t) => {
  const cases: [string, string, string][] = [
    ['web=disk.img', 'web', '/w/disk.img'],
    ['web=a=b.img', 'web', '/w/a=b.img'],
    ['./a=b.img', 'a=b', '/w/a=b.img'],
    ['/srv/a=b.img', 'a=b', '/srv/a=b.img'],
    ['web=/srv/a.img', 'web', '/srv/a.img'],
    ['../disk.img', 'disk', '/disk.img'],
  ];
  for (const [argument, name, path] of cases) {
    t.deepEqual(parseImageArgument(argument, '/w'), { name, path }, argument);
  }
});

test('names that cannot be a file name or would hide are refused', (t) => {
  const cases: [string, string][] = [
    ['=disk.img', '=disk.img: the name before "=" is empty'],
    ['web=', '"web=": the path of the image is empty'],
    ['', '"": the path of the image is empty'],
    ['.web=disk.img', '.web=disk.img: the name ".web" begins with a dot; write NAME=disk.img'],
    ['.img', '.img: the name ".img" begins with a dot; write NAME=.img'],
    ['a\nb.img', '"a\\nb": control characters cannot be part of a name; write NAME=IMAGE'],
    ['caf\uFFFD=d', '"caf\uFFFD": the name is not valid UTF-8; write NAME=IMAGE with another NAME'],
    [`${'x'.repeat(252)}=d`, `${'x'.repeat(252)}=d: the name is longer than 251 bytes`],
  ];
  for (const [argument, message] of cases) {
    const run = () => parseImageArgument(argument, '/w');
    const error = t.throws(run, { instanceOf: SluiceError, message }, argument);
    t.is(error?.exitCode, 2);
  }
});

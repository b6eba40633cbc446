import test from 'ava';
import { resolveBackingName } from '../../src/image/backing-name.js';
import { SluiceError } from '../../src/util/errors.js';

const IMAGE = '/vm/top.qcow2';

for (const [name, path, format] of [
  ['base.img', '/vm/base.img', null],
  ['../a/b.img', '/a/b.img', null],
  ['/else/base.img', '/else/base.img', null],
  ['file:base.img', '/vm/base.img', null],
  ['a/nbd:x', '/vm/a/nbd:x', null],
  ['json:{"driver":"qcow2","file":{"driver":"file","filename":"b"}}', '/vm/b', 'qcow2'],
  ['json:{"driver":"qcow2","file.driver":"file","file.filename":"/b"}', '/b', 'qcow2'],
  ['json:{"driver":"file","filename":"b","read-only":true}', '/vm/b', 'raw'],
  ['json:{"file.filename":"b","cache.direct":true}', '/vm/b', null],
] as const) {
  test(`the name ${name} leads to ${path}`, (t) => {
    t.deepEqual(resolveBackingName(IMAGE, name), { path, format });
  });
}

test('a data file gets its new name in another way than a backing file', (t) => {
  const error = t.throws(() => resolveBackingName(IMAGE, 'caf\uFFFD.raw', 'data'));
  t.regex(error?.message ?? '', /with qemu-img amend -o data_file=NAME$/);
});

test('an export of an NBD server may be a backing file, and have absolute ones', (t) => {
  const uri = 'nbd+unix:///x?socket=/run/s';
  t.deepEqual(resolveBackingName(IMAGE, uri), { path: uri, format: null });
  t.deepEqual(resolveBackingName(uri, '/srv/base.img'), { path: '/srv/base.img', format: null });
  const says = /on an NBD server, and names the file "base\.img" beside it; give it a name with/;
  t.throws(() => resolveBackingName(uri, 'base.img'), { message: says });
});

for (const [name, errno, says] of [
  ['nbd:host:10809', 'ENOTSUP', /its backing file "nbd:host:10809" is reached by "nbd:"/],
  [
    'nbd+vsock://1/x',
    'ENOTSUP',
    /its backing file nbd\+vsock:\/\/1\/x: "nbd\+vsock:\/\/" is not known/,
  ],
  ['caf\uFFFD.img', 'ENOTSUP', /the name of its backing file ".*" is not valid UTF-8; rename it/],
  ['json:{', 'EINVAL', /a name that is not JSON/],
  ['json:[]', 'EINVAL', /is no object/],
  ['json:{"driver":"qcow2"}', 'EINVAL', /names no file/],
  ['json:{"driver":"raw","file":{"driver":"nbd","host":"h"}}', 'ENOTSUP', /reached by "nbd"/],
  ['json:{"file.filename":"b","offset":512}', 'ENOTSUP', /has the option "offset"/],
] as const) {
  test(`the name ${JSON.stringify(name)} is refused`, (t) => {
    const error = t.throws(() => resolveBackingName(IMAGE, name), { instanceOf: SluiceError });
    t.true(error?.message.startsWith(`${IMAGE}: `));
    t.regex(error?.message ?? '', says);
    t.is(error?.errno, errno);
    t.is(error?.exitCode, 3);
  });
}

test('an error about a data file calls it that', (t) => {
  t.throws(() => resolveBackingName(IMAGE, 'nbd:x', 'data'), { message: /its data file "nbd:x"/ });
});

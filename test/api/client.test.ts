import test from 'ava';
import { requestOf } from '../../src/api/client.js';
import { connect, mount } from '../../src/api/index.js';

test('paths of a request start from the working directory of the program', (t) => {
  const here = process.cwd();
  t.deepEqual(requestOf('a.img'), { name: 'a', path: `${here}/a.img` });
  t.deepEqual(requestOf('web=a.img'), { name: 'web', path: `${here}/a.img` });
  t.deepEqual(
    requestOf({ path: '/a', overlay: 'b', cacheFile: 'e', dataFiles: ['c'], name: 'd' }),
    {
      ...{ path: '/a', overlay: `${here}/b`, cacheFile: `${here}/e` },
      ...{ dataFiles: [`${here}/c`], name: 'd' },
    },
  );
  t.deepEqual(requestOf({ path: '/a', overlay: 'discard' }), { path: '/a', overlay: 'discard' });
});

test('errors have a code, a number, a hint and an exit code', async (t) => {
  const nowhere = await t.throwsAsync(connect('/'));
  t.like(nowhere, { name: 'SluiceError', code: 'EINVAL', errno: -22, exitCode: 4 });
  const bad = await t.throwsAsync(mount('x.img', { mountpoint: '/', depth: 0 }));
  t.like(bad, { code: 'ERANGE', errno: -34, exitCode: 2 });
  const none = await t.throwsAsync(mount('/none.img', { mountpoint: '/none' }));
  t.like(none, { code: 'ENOENT', errno: -2, exitCode: 4 });
  t.is(typeof (none as unknown as { hint: unknown }).hint, 'string');
  t.notRegex(none!.message, /;/);
  const octal = await t.throwsAsync(mount('x.img', { mountpoint: '/', mode: 0o660 as never }));
  t.like(octal, { code: 'EINVAL', message: 'mode: expected a text' });
  const cut = await t.throwsAsync(mount('x\0.img', { mountpoint: '/' }));
  t.like(cut, { code: 'EINVAL', message: 'the path of the image has a NUL character' });
});

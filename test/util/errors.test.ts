import test from 'ava';
import {
  describeError,
  exitCodeOf,
  fromRecord,
  naming,
  recordOf,
  refuse,
  sentenceOf,
  withRemedy,
} from '../../src/util/errors.js';

test('an error is the same when it comes back from another process', (t) => {
  const error = refuse('io.max: not a number', 'ERANGE');
  const back = fromRecord(JSON.parse(JSON.stringify(recordOf(error))));
  t.deepEqual(
    [back.message, back.errno, back.exitCode, exitCodeOf(back)],
    ['io.max: not a number', 'ERANGE', 2, 2],
  );
  // A mistake of ours has no errno.
  t.deepEqual(recordOf(new TypeError('x')), { message: 'x', errno: 'EIO', exitCode: 1 });
  t.deepEqual(recordOf('thrown'), { message: 'thrown', errno: 'EIO', exitCode: 1 });
});

test('an error is named by the option that it is about, and stays what it is', (t) => {
  const run = () => {
    throw refuse('no such group', 'ENOENT');
  };
  const error = t.throws(() => naming('--group a', run));
  t.deepEqual(recordOf(error), {
    message: '--group a: no such group',
    errno: 'ENOENT',
    exitCode: 2,
  });
});

test('an error gets the remedy of who reads it, if it has one', (t) => {
  const open = withRemedy(refuse('web.raw is open; close it', 'EBUSY'), 'close it, or use --force');
  t.is(open.message, 'web.raw is open; close it, or use --force');
  t.is(open.errno, 'EBUSY');
  t.is(withRemedy(refuse('web is being detached'), 'wait').message, 'web is being detached');
});

test('for want of descriptors there is a remedy, whatever wanted one', (t) => {
  const error = (code: string) => Object.assign(new Error(`${code}: open '/proc/x'`), { code });
  t.is(sentenceOf(error('EMFILE')), 'too many open files; raise `ulimit -n`');
  t.is(
    recordOf(error('ENFILE')).message,
    'too many open files on this machine; raise the sysctl fs.file-max',
  );
  t.is(sentenceOf(error('EACCES')), "EACCES: open '/proc/x'");
  t.is(sentenceOf('no error'), 'no error');
});

test('the log has the stack of a mistake, and a sentence where descriptors are missing', (t) => {
  t.regex(describeError(new Error('a mistake')), /^Error: a mistake\n {4}at /);
  const error = Object.assign(new Error('open /x'), { code: 'EMFILE' });
  t.is(describeError(error), 'too many open files; raise `ulimit -n`');
  t.is(describeError('text'), 'text');
});

import test from 'ava';
import { type Conclusion, conclude } from '../../src/server/conclusion.js';
import type { End, Event } from '../../src/server/lifecycle.js';
import { exitCodeOf, SluiceError } from '../../src/util/errors.js';

const IMAGES = [{ name: 'disk', path: '/srv/disk.img' }];

function concluded(cause: Event, own: Partial<End> = {}): Conclusion {
  return conclude({ cause, wasServing: true, wasAsked: false, ...own }, IMAGES);
}

/** Message, errno and exit code of the command's error. */
function told({ error }: Conclusion): [string, string, number] {
  if (!(error instanceof SluiceError)) throw new Error('no error for the command');
  return [error.message, error.errno, exitCodeOf(error)];
}

test('a mount that was flushed ends well', (t) => {
  const wanted = { error: null, errors: [], info: 'unmounted', record: null };
  t.deepEqual(concluded({ kind: 'flushed' }), wanted);
  t.deepEqual(concluded({ kind: 'flushed' }, { wasAsked: true }), wanted);
  t.is(exitCodeOf(null), 0);
});

test('a mount that ended before it could be used is an error, though all is flushed', (t) => {
  const unmounted = concluded({ kind: 'flushed' }, { wasServing: false });
  const message = 'the data plane did not start: unmounted before it was ready';
  t.deepEqual(told(unmounted), [message, 'EIO', 4]);
  t.is(unmounted.record, null);
  const asked = concluded({ kind: 'flushed' }, { wasServing: false, wasAsked: true });
  t.deepEqual(told(asked), ['interrupted', 'EINTR', 1]);
  t.is(asked.record, null);
});

test('images that are not flushed are named to the command, in the log and in the record', (t) => {
  const unflushed = [
    { name: 'disk', errno: 28 },
    { name: 'other', errno: 5 },
  ];
  const ended = concluded({ kind: 'flush-failed', unflushed });
  const [message, errno, code] = told(ended);
  t.deepEqual([errno, code], ['ENOSPC', 1]);
  t.regex(message, /^\/srv\/disk.img: its last writes could not be flushed: .*; other: its last /);
  t.is(ended.errors.length, 2);
  t.is(message, ended.errors.join('; '));
  t.like(ended, { info: 'unmounted', record: ended.error });
});

test('a crash is exit code 5, before the files could be used 4', (t) => {
  const crashed = { kind: 'crashed', message: 'assertion failed' } as const;
  const died = concluded(crashed);
  const message = 'the daemon died: assertion failed; the mount has been aborted';
  t.deepEqual(told(died), [message, 'EIO', 5]);
  t.like(died, { errors: ['assertion failed'], info: null, record: died.error });
  const start = concluded(crashed, { wasServing: false });
  t.deepEqual(told(start), ['the data plane did not start: assertion failed', 'EIO', 4]);
  t.deepEqual(start.errors, [], 'the command tells');
});

test('a mount that was ended at once was not flushed', (t) => {
  const aborted = concluded({ kind: 'abort' }, { wasAsked: true });
  const message = 'the mount has been aborted before everything was flushed';
  t.deepEqual(told(aborted), [message, 'EIO', 5]);
  t.like(aborted, { errors: [message], record: aborted.error });
  const early = concluded({ kind: 'abort' }, { wasAsked: true, wasServing: false });
  t.deepEqual(told(early), ['interrupted', 'EINTR', 1]);
});

test('of a mount that never was, or goes on, the record says nothing', (t) => {
  const error = new SluiceError('disk.img: locked', 'EBUSY', 3);
  const failed = concluded({ kind: 'failed', error }, { wasServing: false });
  t.deepEqual(failed, { error, errors: [], info: null });
  t.is(exitCodeOf(error), 3);
  t.is(exitCodeOf(new TypeError('a mistake')), 1);
  const left = concluded({ kind: 'handed-over' });
  t.deepEqual(left, { error: null, errors: [], info: 'handed over' });
});

test('a group that is refused is wrong usage', (t) => {
  const refused = { message: '--group a: no', errno: 'EINVAL', exitCode: 2 };
  const event = { kind: 'refused', ...refused } as const;
  t.deepEqual(told(concluded(event, { wasServing: false })), ['--group a: no', 'EINVAL', 2]);
});

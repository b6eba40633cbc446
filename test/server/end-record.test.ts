import test from 'ava';
import { EndRecord, EndWatch } from '../../src/server/end-record.js';
import { SluiceError } from '../../src/util/errors.js';

function watch(record: EndRecord): EndWatch {
  const opened = EndWatch.open(record.path);
  if (opened === null) throw new Error('the record cannot be opened');
  return opened;
}

test('a daemon that has flushed everything says so', (t) => {
  const record = new EndRecord();
  const watching = watch(record);
  record.write(null);
  t.notThrows(() => watching.check('/mnt/s'));
  watching.close();
});

test('what a daemon ended with is thrown by the command that waits for it', (t) => {
  const record = new EndRecord();
  const watching = watch(record);
  record.write(new SluiceError('disk.img: no space is left there', 'ENOSPC', 1));
  const error = t.throws(() => watching.check('/mnt/s'), { instanceOf: SluiceError });
  t.like(error, { message: 'disk.img: no space is left there', errno: 'ENOSPC', exitCode: 1 });
  watching.close();
});

test('a daemon that ended without a word has not flushed', (t) => {
  const watching = watch(new EndRecord());
  const error = t.throws(() => watching.check('/mnt/s'), { instanceOf: SluiceError });
  t.like(error, {
    message: '/mnt/s: its daemon died before everything was flushed; see its log',
    exitCode: 5,
  });
  watching.close();
});

test('without a record there is nothing to watch', (t) => {
  t.is(EndWatch.open(undefined), null);
  t.is(EndWatch.open('/proc/1/fd/424242'), null);
});

import { closeSync } from 'node:fs';
import test from 'ava';
import {
  checkEndRecord,
  EndRecord,
  openEndRecord,
  successorOf,
} from '../../src/server/end-record.js';
import { SluiceError } from '../../src/util/errors.js';

function open(record: EndRecord): number {
  const opened = openEndRecord(record.path);
  if (opened === null) throw new Error('the record cannot be opened');
  return opened;
}

test('a daemon that has flushed everything says so', (t) => {
  const record = new EndRecord();
  const opened = open(record);
  record.write(null);
  t.notThrows(() => checkEndRecord(opened, '/mnt/s'));
  closeSync(opened);
});

test('what a daemon ended with is thrown by the command that waits for it', (t) => {
  const record = new EndRecord();
  const opened = open(record);
  record.write(new SluiceError('disk.img: no space is left there', 'ENOSPC', 1));
  const error = t.throws(() => checkEndRecord(opened, '/mnt/s'), { instanceOf: SluiceError });
  t.like(error, { message: 'disk.img: no space is left there', errno: 'ENOSPC', exitCode: 1 });
  closeSync(opened);
});

test('a daemon that ended without a word has not flushed', (t) => {
  const opened = open(new EndRecord());
  const error = t.throws(() => checkEndRecord(opened, '/mnt/s'), { instanceOf: SluiceError });
  t.like(error, {
    message: '/mnt/s: its daemon died before everything was flushed; see its log',
    exitCode: 5,
  });
  closeSync(opened);
});

test('a process that goes on with a mount tells of its end in the same record', (t) => {
  const first = new EndRecord();
  const opened = open(first);
  t.is(successorOf(opened), null);
  first.passTo(4_194_304);
  t.is(successorOf(opened), 4_194_304);
  t.regex(t.throws(() => checkEndRecord(opened, '/mnt/s'))!.message, /died before everything/);
  // Shorter than what it takes the place of.
  new EndRecord(first.fd).write(null);
  t.is(successorOf(opened), null);
  t.notThrows(() => checkEndRecord(opened, '/mnt/s'));
  closeSync(opened);
});

test('without a record there is nothing to watch', (t) => {
  t.is(openEndRecord(undefined), null);
  t.is(openEndRecord('/proc/1/fd/424242'), null);
});

import test from 'ava';
import { ProgramAnswers } from '../../src/sys/program-answers.js';

const LONG = 60_000;

/** A shell that answers at first and to each line. */
function shell(script: string): ProgramAnswers {
  return new ProgramAnswers('/bin/sh', ['-c', script]);
}

test('a program answers at first, and each time that it is asked', async (t) => {
  const answers = shell(
    'n=0; while :; do echo a$n; echo b; echo; n=$((n+1)); read line || exit; done',
  );
  t.deepEqual(await answers.next(LONG), { text: 'a0\nb\n' });
  answers.ask();
  t.deepEqual(await answers.next(LONG), { text: 'a1\nb\n' });
  answers.ask();
  answers.ask();
  t.deepEqual(await answers.next(LONG), { text: 'a2\nb\n' });
  t.deepEqual(await answers.next(LONG), { text: 'a3\nb\n' });
  t.is(await answers.next(10), 'late');
  answers.end();
});

test('an answer may be empty, and a program may end', async (t) => {
  const answers = shell('echo; echo half');
  t.deepEqual(await answers.next(LONG), { text: '' });
  t.is(await answers.next(LONG), 'ended');
  answers.ask();
  t.is(await answers.next(LONG), 'ended');
  t.is(await new ProgramAnswers('/no/such/program', []).next(LONG), 'ended');
});

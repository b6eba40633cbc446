import test from 'ava';
import { runProgram } from '../../src/sys/run-program.js';

const LIMIT_MS = 20_000;

test('output and exit code are told', async (t) => {
  const ended = await runProgram('sh', ['-c', 'echo out; echo err >&2; exit 3'], LIMIT_MS);
  t.deepEqual(ended, { code: 3, stdout: 'out\n', stderr: 'err\n', timedOut: false });
});

test('a program that says nothing is given up; one that goes on talking is not', async (t) => {
  const silent = await runProgram('sh', ['-c', 'echo begun; exec sleep 100'], 50);
  t.true(silent.timedOut);
  t.is(silent.code, null);
  // It takes longer than the limit, and is silent for a tenth of that: a busy machine makes it more.
  const talking = 'for i in 1 2 3 4 5 6 7 8 9 a b c; do echo $i; sleep 0.5; done';
  const ended = await runProgram('sh', ['-c', talking], 5000);
  t.false(ended.timedOut);
  t.is(ended.stdout.length, 24);
});

test('what the environment has for Node.js does not reach it', async (t) => {
  process.env.NODE_OPTIONS = '--no-such-option';
  process.env.NODE_EXTRA_CA_CERTS = '/nonexistent';
  t.teardown(() => {
    delete process.env.NODE_OPTIONS;
    delete process.env.NODE_EXTRA_CA_CERTS;
  });
  const ended = await runProgram(process.execPath, ['-p', '1'], LIMIT_MS);
  t.deepEqual(ended, { code: 0, stdout: '1\n', stderr: '', timedOut: false });
});

import { openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { FIRST_HANDED, type Handed, STATE_VERSION, Successor } from '../../src/server/successor.js';
import { SluiceError } from '../../src/util/errors.js';
import { tempFolder } from '../helpers/temp.js';

/** A process that answers each message as the body of a function says. */
function successor(t: ExecutionContext, answer: string, descriptors: number[] = []): Successor {
  const program = join(tempFolder(t), 'successor.cjs');
  const say = 'const say = (message) => process.send(message);';
  writeFileSync(program, `${say}\nprocess.on('message', (message) => {${answer}});\n`);
  const started = new Successor('/mnt/s', descriptors, program);
  t.teardown(() => started.kill());
  return started;
}

const LOADED = `if (message.kind === 'take-over') say({ kind: 'loaded', version: ${STATE_VERSION} });`;

async function failure(t: ExecutionContext, asked: Promise<unknown>): Promise<SluiceError> {
  return (await t.throwsAsync(asked, { instanceOf: SluiceError }))!;
}

test('it is asked step by step, and ends when it is killed', async (t) => {
  const next = `${LOADED}
    if (message.kind === 'state') { say({ kind: 'progress' }); say({ kind: 'prepared' }); }
    if (message.kind === 'go') { say({ kind: 'ready' }); say({ kind: 'reachable' }); }`;
  const one = successor(t, next);
  await one.load();
  await one.prepare({} as Handed);
  await one.go();
  t.true(one.pid > 1);
  await one.kill();
  t.throws(() => process.kill(one.pid, 0), { code: 'ESRCH' });
});

test('one that knows another state is refused', async (t) => {
  const one = successor(t, `say({ kind: 'loaded', version: 99 })`);
  const { message, errno } = await failure(t, one.load());
  const own = `this one has state ${STATE_VERSION}`;
  t.is(message, `the new daemon knows state 99, and ${own}; umount and mount again`);
  t.is(errno, 'EPROTO');
});

test('why it does not go on is its own error, and its end is one too', async (t) => {
  const refusing = `${LOADED}
    if (message.kind === 'state') {
      say({ kind: 'failed', message: 'a.img: is gone', errno: 'ESTALE', exitCode: 1 });
    }`;
  const one = successor(t, refusing);
  await one.load();
  t.is((await failure(t, one.prepare({} as Handed))).message, 'a.img: is gone');
  const two = successor(t, `${LOADED} if (message.kind === 'state') process.exit(3);`);
  await two.load();
  const error = await failure(t, two.prepare({} as Handed));
  t.is(error.message, 'the new daemon ended with code 3; see the log');
});

test('it inherits the descriptors in their order', async (t) => {
  const folder = tempFolder(t);
  const [a, b] = ['a', 'b'].map((name) => {
    const path = join(folder, name);
    writeFileSync(path, name);
    return openSync(path, 'r');
  });
  const reading = `const { readFileSync } = require('node:fs');
    const read = [0, 1].map((n) => readFileSync(${FIRST_HANDED} + n, 'utf8')).join('');
    say({ kind: 'failed', message: read, errno: 'EIO', exitCode: 1 });`;
  t.is((await failure(t, successor(t, reading, [b!, a!]).load())).message, 'ba');
});

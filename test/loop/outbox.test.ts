import test from 'ava';
import { Outbox } from '../../src/loop/outbox.js';
import type { FromPlane } from '../../src/plane/messages.js';

const first: FromPlane = { kind: 'ready' };
const second: FromPlane = { kind: 'drained' };

function setUp() {
  const posted: (readonly FromPlane[])[] = [];
  return { outbox: new Outbox((messages) => posted.push(messages)), posted };
}

test('messages of a turn go together, in order, and once', (t) => {
  const { outbox, posted } = setUp();
  t.true(outbox.isEmpty);
  outbox.send(first);
  outbox.send(second);
  t.false(outbox.isEmpty);
  outbox.look(false);
  t.deepEqual(posted, [[first, second]]);
  t.true(outbox.isEmpty);
  outbox.look(false);
  outbox.post();
  t.is(posted.length, 1);
});

test('requests that are there go first, but only those of one turn', (t) => {
  const { outbox, posted } = setUp();
  outbox.send(first);
  outbox.look(true);
  t.deepEqual(posted, []);
  outbox.send(second);
  outbox.look(true);
  t.deepEqual(posted, [[first, second]]);
  outbox.send(first);
  outbox.look(true);
  t.is(posted.length, 1, 'those after it yield again');
});

import test from 'ava';
import { PENDING, type Task } from '../../src/host/engine.js';
import type { ServedImage } from '../../src/plane/disk.js';
import { FlushLosses } from '../../src/plane/flush-losses.js';
import { LastFlush } from '../../src/plane/last-flush.js';
import { Requests } from '../../src/plane/requests.js';
import { Tasks } from '../../src/plane/tasks.js';

const EIO = 5;
const ENOSPC = 28;

/** An image whose last flush makes `steps` host calls and returns `result`. */
function image(name: string, steps: number, result: number, own: Partial<ServedImage> = {}) {
  const log: string[] = [];
  const driver = {
    *close(_request: number, dirty: boolean): Task {
      log.push(dirty ? 'dirty' : 'clean');
      for (let i = 0; i < steps; i++) log.push(String(yield PENDING));
      return result;
    },
    takeLoss: () => 0,
  };
  const losses = new FlushLosses();
  const served = { driver, losses, name, readOnly: false, dirty: true, ...own };
  return { log, served: served as never as ServedImage };
}

function rig() {
  const requests = new Requests();
  const flush = new LastFlush(requests);
  const ended: number[] = [];
  const tasks = new Tasks(requests, (request, result) => {
    if (!flush.ended(request, result)) throw new Error('a request of somebody else');
    ended.push(request);
    requests.release(request);
  });
  return { requests, flush, tasks, ended };
}

test('each image is flushed once, and each step goes on with the result of its call', (t) => {
  const { requests, flush, tasks } = rig();
  const one = image('one', 2, 0);
  const two = image('two', 1, 0, { dirty: false });
  t.false(flush.isStarted);
  flush.start([one.served, two.served], tasks);
  t.true(flush.isStarted);
  t.is(requests.count, 2);
  tasks.resume(0, 11);
  tasks.resume(1, 22);
  t.is(requests.count, 1);
  tasks.resume(0, 33);
  t.deepEqual(one.log, ['dirty', '11', '33']);
  t.deepEqual(two.log, ['clean', '22']);
  t.is(requests.count, 0);
  t.deepEqual(flush.unflushed, []);
});

test('a failure of one image is told, and the others are flushed', (t) => {
  const { requests, flush, tasks } = rig();
  const failed = image('failed', 0, -EIO);
  const good = image('good', 0, 0);
  const lost = image('lost', 0, 0);
  lost.served.losses.add(ENOSPC, 1, 1);
  flush.start([failed.served, good.served, lost.served], tasks);
  t.is(requests.count, 0);
  t.deepEqual(flush.unflushed, [
    { name: 'failed', errno: EIO },
    { name: 'lost', errno: ENOSPC },
  ]);
  t.deepEqual(good.log, ['dirty']);
});

test('an image that is only read is not touched', (t) => {
  const { flush, tasks } = rig();
  const { log, served } = image('read', 0, -EIO, { readOnly: true });
  flush.start([served], tasks);
  t.deepEqual(log, []);
  t.deepEqual(flush.unflushed, []);
});

test('a request of somebody else is not taken for a part of it', (t) => {
  const { flush } = rig();
  t.false(flush.ended(7, -EIO));
});

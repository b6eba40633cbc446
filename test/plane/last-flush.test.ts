import test from 'ava';
import { PENDING, type Task } from '../../src/host/engine.js';
import type { ServedImage } from '../../src/plane/disk.js';
import { FlushLosses } from '../../src/plane/flush-losses.js';
import { LastFlush } from '../../src/plane/last-flush.js';
import { OwnTasks } from '../../src/plane/own-tasks.js';
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
  const tasks = new Tasks(requests, (request, result) => {
    if (!own.ended(request, result)) throw new Error('a request of somebody else');
    requests.release(request);
  });
  const own = new OwnTasks(requests, tasks);
  return { requests, flush: new LastFlush(own), tasks };
}

test('each image is flushed once, and each step goes on with the result of its call', (t) => {
  const { requests, flush, tasks } = rig();
  const one = image('one', 2, 0);
  const two = image('two', 1, 0, { dirty: false });
  t.false(flush.isStarted);
  flush.start([one.served, two.served]);
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
  const { requests, flush } = rig();
  const failed = image('failed', 0, -EIO);
  const good = image('good', 0, 0);
  const lost = image('lost', 0, 0);
  lost.served.losses.add(ENOSPC, 1, 1);
  flush.start([failed.served, good.served, lost.served]);
  t.is(requests.count, 0);
  t.deepEqual(flush.unflushed, [
    { name: 'failed', errno: EIO },
    { name: 'lost', errno: ENOSPC },
  ]);
  t.deepEqual(good.log, ['dirty']);
});

test('an image that is only read is not touched', (t) => {
  const { flush } = rig();
  const { log, served } = image('read', 0, -EIO, { readOnly: true });
  flush.start([served]);
  t.deepEqual(log, []);
  t.deepEqual(flush.unflushed, []);
});

test('one image alone: what failed, and what was lost before', (t) => {
  const { flush, requests } = rig();
  const told: unknown[] = [];
  const lost = image('lost', 0, 0);
  lost.served.losses.add(ENOSPC, 1, 1);
  flush.startOf(lost.served, (flushed) => told.push(flushed));
  flush.startOf(image('failed', 0, -EIO).served, (flushed) => told.push(flushed));
  t.deepEqual(told, [
    { failed: 0, lost: ENOSPC },
    { failed: EIO, lost: 0 },
  ]);
  t.deepEqual(flush.unflushed, []);
  t.false(flush.isStarted);
  t.is(requests.count, 0);
});

test('an fsync that fails in it is a loss that counts at the end of the mount', (t) => {
  const { flush } = rig();
  const { served } = image('disk', 0, -EIO);
  Object.assign(served.driver, { takeLoss: () => EIO });
  flush.startOf(served, () => {});
  t.is(served.losses.errno, EIO);
});

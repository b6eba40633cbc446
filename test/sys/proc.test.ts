import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import {
  cgroupsOf,
  hasBusyThreads,
  isBeingKilled,
  isInForeground,
  processOf,
  startOf,
} from '../../src/sys/proc.js';
import { eventually } from '../helpers/proc.js';
import { Child } from '../helpers/run.js';

/** A number that no process can have: above the kernel's largest pid. */
const NOBODY = 4_194_305;

test('all threads of a process are of that process', (t) => {
  const threads = readdirSync('/proc/self/task').map(Number);
  t.true(threads.length > 1, 'node has threads');
  for (const thread of threads) t.is(processOf(thread), process.pid);
  t.is(processOf(NOBODY), 0);
});

test('start times tell processes apart and stay what they are', async (t) => {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  t.teardown(() => {
    child.kill('SIGKILL');
  });
  await once(child, 'spawn');
  const start = startOf(child.pid!);
  t.regex(start, /^[0-9]+$/);
  t.is(startOf(child.pid!), start);
  t.true(Number(start) >= Number(startOf(process.pid)));
  t.is(startOf(NOBODY), '');
});

test('a process without a terminal, or that is gone, is in no foreground', async (t) => {
  const child = spawn('sleep', ['60'], { stdio: 'ignore', detached: true });
  t.teardown(() => {
    child.kill('SIGKILL');
  });
  await once(child, 'spawn');
  t.false(isInForeground(child.pid!));
  t.false(isInForeground(NOBODY));
});

test('cgroups are the paths of /proc/PID/cgroup', (t) => {
  const lines = readFileSync('/proc/self/cgroup', 'utf8').trim().split('\n');
  const paths = new Set(lines.map((line) => line.split(':').slice(2).join(':')));
  t.deepEqual(new Set(cgroupsOf(process.pid)), paths);
  t.deepEqual(cgroupsOf(NOBODY), []);
});

test('who lives is not being killed, whatever it handles; who has ended is', async (t) => {
  t.false(isBeingKilled(process.pid));
  t.false(isBeingKilled(1));
  const child = new Child('true', []);
  await child.ended;
  t.true(isBeingKilled(child.pid));
});

test('a thread that has something to do is busy', async (t) => {
  const worker = new Worker('for (;;);', { eval: true });
  t.true(await eventually(hasBusyThreads));
  await worker.terminate();
  t.true(await eventually(() => !hasBusyThreads()));
});

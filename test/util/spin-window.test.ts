import test from 'ava';
import { SpinWindow } from '../../src/util/spin-window.js';

const LARGEST = 50_000;

/** A request every `gap` nanoseconds, `count` times. */
function receive(window: SpinWindow, gap: number, count: number): void {
  for (let i = 1; i <= count; i++) window.received(1, i * gap);
}

test('requests that come one by one are spun for', (t) => {
  const window = new SpinWindow(LARGEST);
  receive(window, 40_000, 20);
  t.is(window.windowNs, 50_000);
});

test('requests that come closer together than 10 us are left to gather', (t) => {
  const window = new SpinWindow(LARGEST);
  receive(window, 4500, 20);
  t.is(window.windowNs, 0);
});

test('many requests in one turn count as close together', (t) => {
  const window = new SpinWindow(LARGEST);
  for (let i = 1; i <= 20; i++) window.received(16, i * 100_000);
  t.is(window.windowNs, 0);
});

test('each sleep longer than the window halves it, down to nothing', (t) => {
  const window = new SpinWindow(LARGEST);
  receive(window, 40_000, 20);
  window.slept(LARGEST + 1);
  t.is(window.windowNs, 25_000);
  for (let i = 0; i < 6; i++) window.slept(1e6);
  t.is(window.windowNs, 0);
});

test('a sleep that a spin would have saved opens the window again', (t) => {
  const window = new SpinWindow(LARGEST);
  receive(window, 40_000, 20);
  for (let i = 0; i < 10; i++) window.slept(1e6);
  window.slept(LARGEST);
  t.is(window.windowNs, 50_000);
});

test('a window of 0 never spins', (t) => {
  const window = new SpinWindow(0);
  receive(window, 40_000, 20);
  window.slept(0);
  t.is(window.windowNs, 0);
});

import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import test from 'ava';
import { deviceName } from '../../src/host/block-device.js';

test('device numbers are split as makedev(3) packs them', (t) => {
  t.is(deviceName(0x801), '8:1');
  t.is(deviceName(0xfe00), '254:0');
  // Minor numbers above 255 have their upper bits above those of the major.
  t.is(deviceName(0x1000_0812), '8:65554');
});

test('stat(1) prints the same numbers', (t) => {
  const printed = execFileSync('stat', ['--format=%Hr:%Lr', '/dev/null'], { encoding: 'utf8' });
  t.is(deviceName(statSync('/dev/null').rdev), printed.trim());
});

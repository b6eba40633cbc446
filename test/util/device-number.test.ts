import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import test from 'ava';
import { splitDeviceNumber } from '../../src/util/device-number.js';

test('device numbers are split as makedev(3) packs them', (t) => {
  t.deepEqual(splitDeviceNumber(0x801), { major: 8, minor: 1 });
  t.deepEqual(splitDeviceNumber(0xfe00), { major: 254, minor: 0 });
  // Minor numbers above 255 have their upper bits above those of the major.
  t.deepEqual(splitDeviceNumber(0x1000_0812), { major: 8, minor: 0x10012 });
});

test('stat(1) prints the same numbers', (t) => {
  const printed = execFileSync('stat', ['--format=%Hr:%Lr', '/dev/null'], { encoding: 'utf8' });
  const { major, minor } = splitDeviceNumber(statSync('/dev/null').rdev);
  t.is(`${major}:${minor}`, printed.trim());
});

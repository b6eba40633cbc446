import test from 'ava';
import { ALIASES } from '../../src/control/aliases.js';
import { SETTINGS } from '../../src/control/settings.js';
import { BodyChecker } from '../../src/server/api-checker.js';
import { type BodyName, schemas } from '../../src/server/api-schema.js';

const checker = new BodyChecker();

test('bodies that fit, and those that do not', (t) => {
  const good: [BodyName, unknown][] = [
    ['settings', {}],
    ['settings', { bps: '10M', weight: 80, member: 'web' }],
    ['settings', { member: ['web', '-uid:7'] }],
    ['attach', { path: '/srv/a.img' }],
    ['attach', { path: '/srv/a.img', format: 'auto', assign: { a: 'gold' } }],
    ['resize', { size: 4096 }],
    ['resize', { size: null }],
  ];
  for (const [name, body] of good) t.notThrows(() => checker.check(name, body));
  const bad: [BodyName, unknown, string][] = [
    ['settings', null, 'the body: expected an object'],
    ['settings', JSON.parse('{"__proto__": 1}'), 'the body: there is no key "__proto__"'],
    ['settings', { bps: true }, 'bps: expected a text, or a number'],
    ['attach', {}, "the body: must have required property 'path'"],
    ['attach', { path: 'a.img' }, 'path: must match pattern "^(/|nbds?(\\+unix)?:)[^\\0]*$"'],
    ['attach', { path: '/a', backingFormats: ['x'] }, 'backingFormats.0: must be equal to one of'],
    ['attach', { path: '/a', sectorSize: 7 }, 'sectorSize: must be equal to one of'],
    ['resize', {}, "the body: must have required property 'size'"],
    ['resize', { size: 1.5 }, 'size: expected a whole number'],
  ];
  for (const [name, body, message] of bad) {
    const error = t.throws(() => checker.check(name, body));
    t.true(error!.message.startsWith(message), error!.message);
    t.true(error!.message.endsWith(`; see the schema "${name}" at /v1/schema`));
  }
});

test('all settings have a place in the schema, also by the names of libvirt and Cinder', (t) => {
  const { properties } = schemas().settings;
  t.deepEqual(Object.keys(properties), [...SETTINGS.map(({ key }) => key), ...ALIASES]);
});

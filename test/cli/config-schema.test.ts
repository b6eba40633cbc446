import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import test from 'ava';
import { configSchema } from '../../src/cli/config-schema.js';

test('docs/config.schema.json is the schema, for editors', (t) => {
  // Made by `sluice config schema`.
  t.deepEqual(JSON.parse(readFileSync('docs/config.schema.json', 'utf8')), configSchema());
});

test('it is sound, and takes what the manual shows', (t) => {
  const ajv = new Ajv({ allowUnionTypes: true });
  t.true(ajv.validateSchema(configSchema()));
  const isValid = ajv.compile(configSchema());
  t.true(isValid({ images: { web: 'web.img', db: { path: 'db.img', 'read-only': true } } }));
  t.true(isValid({ groups: { gold: { bps: '10M', members: ['web'] }, empty: null } }));
  t.false(isValid({ images: { db: { 'read-only': true } } }));
  t.false(isValid({ options: { group: ['gold'] } }));
});

import { Ajv, type ErrorObject } from 'ajv';
import type { SluiceError } from '../util/errors.js';
import { didYouMean } from '../util/nearest.js';
import type { Schema } from './config-schema.js';
import type { ConfigText, Path } from './config-text.js';

const KINDS: Readonly<Record<string, string>> = {
  object: 'a mapping of keys to values',
  array: 'a list',
  string: 'a word',
  number: 'a number',
  boolean: 'true or false',
};

/**
 * Checks a text against a schema.
 *
 * @throws SluiceError EINVAL, exit code 2: the first fault in the text
 */
export function checkShape(text: ConfigText, schema: Schema): void {
  const ajv = new Ajv({ allErrors: true, verbose: true, allowUnionTypes: true });
  if (ajv.validate(schema, text.value)) return;
  const faults = [...ajv.errors!].sort((one, other) => {
    return text.offset(pathOf(one)) - text.offset(pathOf(other));
  });
  throw faultOf(text, faults[0]!);
}

/** The keys of a JSON pointer. */
function pathOf({ instancePath }: ErrorObject): Path {
  const parts = instancePath.split('/').slice(1);
  return parts.map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** Nobody reads a longer list in an error. */
const KEYS_SHOWN = 20;

function keysOf(known: readonly string[]): string {
  if (known.length <= KEYS_SHOWN) return `keys: ${known.join(', ')}`;
  return `keys: ${known.slice(0, KEYS_SHOWN).join(', ')} ...; see sluice config schema`;
}

function faultOf(text: ConfigText, fault: ErrorObject): SluiceError {
  const { keyword, params, parentSchema } = fault;
  const path = pathOf(fault);
  if (keyword === 'additionalProperties') {
    const key = String(params.additionalProperty);
    const known = Object.keys((parentSchema?.properties as object | undefined) ?? {});
    const hint = didYouMean(key, known) ?? keysOf(known);
    return text.refuseKey([...path, key], `there is no key "${key}"; ${hint}`);
  }
  if (keyword === 'required') return text.refuse(path, `${params.missingProperty} is missing`);
  if (keyword === 'type') {
    const kinds = [parentSchema?.type ?? []].flat().flatMap((type) => KINDS[type as string] ?? []);
    return text.refuse(path, `expected ${kinds.join(', or ')}`);
  }
  return text.refuse(path, fault.message ?? keyword);
}

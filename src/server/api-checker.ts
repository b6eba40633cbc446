import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { refuse } from '../util/errors.js';
import { didYouMean } from '../util/nearest.js';
import { type BodyName, schemas } from './api-schema.js';

/** Checks the bodies of requests by their schemas. */
export class BodyChecker {
  readonly #checks = new Map<string, ValidateFunction>();

  constructor() {
    const ajv = new Ajv({ allowUnionTypes: true, verbose: true });
    for (const [name, schema] of Object.entries(schemas())) {
      this.#checks.set(name, ajv.compile(schema));
    }
  }

  /**
   * @param what How the error calls the body.
   * @throws SluiceError EINVAL that names the place in the body and the fault
   */
  check(name: BodyName, body: unknown, what = 'the body'): void {
    const check = this.#checks.get(name)!;
    if (check(body)) return;
    const [fault] = check.errors!;
    const hint = nearest(fault!) ?? `see the schema "${name}" at /v1/schema`;
    throw refuse(`${sentence(fault!, what)}; ${hint}`);
  }
}

const KINDS: Readonly<Record<string, string>> = {
  ...{ string: 'a text', number: 'a number', integer: 'a whole number', boolean: 'true or false' },
  ...{ array: 'a list', object: 'an object', null: 'null' },
};

function nearest({ keyword, params, parentSchema }: ErrorObject): string | null {
  if (keyword !== 'additionalProperties') return null;
  const known = Object.keys((parentSchema?.properties as object | undefined) ?? {});
  return didYouMean(String(params.additionalProperty), known);
}

function sentence({ instancePath, keyword, params, message }: ErrorObject, what: string): string {
  const inside = instancePath.slice(1).replaceAll('/', '.');
  const isBody = what === 'the body';
  const place = inside === '' ? what : isBody ? inside : `${what}: ${inside}`;
  if (keyword === 'additionalProperties') {
    return `${place}: there is no key "${params.additionalProperty}"`;
  }
  if (keyword === 'type') {
    const types = [params.type].flat() as string[];
    return `${place}: expected ${types.map((type) => KINDS[type] ?? type).join(', or ')}`;
  }
  const known = keyword === 'enum' ? `: ${(params.allowedValues as unknown[]).join(', ')}` : '';
  return `${place}: ${message}${known}`;
}

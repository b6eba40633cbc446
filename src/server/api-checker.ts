import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { refuse } from '../util/errors.js';
import { type BodyName, schemas } from './api-schema.js';

/** Checks the bodies of requests by their schemas. */
export class BodyChecker {
  readonly #checks = new Map<string, ValidateFunction>();

  constructor() {
    const ajv = new Ajv({ allowUnionTypes: true });
    for (const [name, schema] of Object.entries(schemas())) {
      this.#checks.set(name, ajv.compile(schema));
    }
  }

  /** @throws SluiceError EINVAL that names the place in the body and the fault */
  check(name: BodyName, body: unknown): void {
    const check = this.#checks.get(name)!;
    if (check(body)) return;
    throw refuse(`${sentence(check.errors![0]!)}; see the schema "${name}" at /v1/schema`);
  }
}

function sentence({ instancePath, keyword, params, message }: ErrorObject): string {
  const place = instancePath === '' ? 'the body' : instancePath.slice(1).replaceAll('/', '.');
  if (keyword === 'additionalProperties') {
    return `${place}: there is no key "${params.additionalProperty}"`;
  }
  const known = keyword === 'enum' ? `: ${(params.allowedValues as unknown[]).join(', ')}` : '';
  return `${place}: ${message}${known}`;
}

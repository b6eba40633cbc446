import type { IncomingMessage, ServerResponse } from 'node:http';
import { EXIT_FAILED, refuse, SluiceError } from '../util/errors.js';
import type { BodyChecker } from './api-checker.js';
import type { BodyName } from './api-schema.js';

/** The longest body: an order with thousands of members. */
const BODY_BYTES_MAX = 256 << 10;
/** A client reads no answer before its body is sent. So a longer body is read and thrown away, up to this length. */
const WASTE_BYTES_MAX = 16 << 20;

/** Reads the bodies of requests. */
export class Bodies {
  #checker: BodyChecker | null = null;

  /** @throws SluiceError EINVAL, EMSGSIZE, ECONNRESET */
  async of(request: IncomingMessage, name: BodyName): Promise<unknown> {
    const body = parse(await read(request));
    // Loaded only here: to read takes no schema. It is tried again where it could not be read.
    const { BodyChecker } = await import('./api-checker.js');
    this.#checker ??= new BodyChecker();
    this.#checker.check(name, body);
    return body;
  }
}

function read(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    request.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes <= BODY_BYTES_MAX) parts.push(part);
      else parts.length = 0;
      if (bytes > WASTE_BYTES_MAX) request.destroy();
    });
    request.once('end', () => {
      const message = `the body is longer than ${BODY_BYTES_MAX} bytes; send it in parts`;
      if (bytes > BODY_BYTES_MAX) reject(new SluiceError(message, 'EMSGSIZE', EXIT_FAILED));
      else resolve(Buffer.concat(parts).toString('utf8'));
    });
    // The client is gone: nobody reads the answer.
    request.once('error', reject);
    request.once('close', () => reject(new SluiceError('half a body', 'ECONNRESET', EXIT_FAILED)));
  });
}

function parse(text: string): unknown {
  if (text === '') return {};
  try {
    return JSON.parse(text);
  } catch (error) {
    throw refuse(`the body is not JSON: ${(error as Error).message}`);
  }
}

export function sendJson(response: ServerResponse, status: number, body: object): void {
  const text = `${JSON.stringify(body)}\n`;
  const length = Buffer.byteLength(text);
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': length });
  response.end(text);
}

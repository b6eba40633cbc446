import type { Format } from '../image/probe.js';
import { EXIT_USAGE, SluiceError } from '../util/errors.js';
import { oneText } from './option-values.js';

/** What `--format` says of an image and its backing files. */
export interface Formats {
  format: 'auto' | Format;
  /** Formats of the backing files, from the top, for those whose overlay does not say. */
  backingFormats: Format[];
}

/**
 * Parses `--format FORMAT[,FORMAT...]`: the image's, then its backing files'.
 *
 * @throws SluiceError EINVAL, exit code 2
 */
export function parseFormats(value: string | string[] | undefined): Formats {
  const text = oneText('--format', value, 'auto');
  const [first, ...rest] = text.split(',');
  if (first !== 'auto' && !isFormat(first)) throw unknown(text, 'auto, raw, qcow2');
  const backingFormats = rest.map((word) => {
    if (!isFormat(word)) throw unknown(text, 'raw, qcow2 for backing files');
    return word;
  });
  return { format: first, backingFormats };
}

function isFormat(word: string): word is Format {
  return word === 'raw' || word === 'qcow2';
}

function unknown(text: string, known: string): SluiceError {
  const message = `--format ${text}: not known to this version, which has ${known}`;
  return new SluiceError(message, 'EINVAL', EXIT_USAGE);
}

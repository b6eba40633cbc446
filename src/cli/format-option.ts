import { formats, isFormat } from '../image/formats.js';
import { EXIT_USAGE, SluiceError } from '../util/errors.js';

/** The formats that `--format` gives an image and its backing files. */
export interface Formats {
  /** A name, or `auto`. */
  format: string;
  /** Formats of the backing files, from the top, for those whose overlay does not say. */
  backingFormats: string[];
}

/** Help for `--format`. */
export function describeFormats(): string {
  const [last, ...others] = formatWords().reverse();
  const known = `${others.reverse().join(', ')} or ${last}`;
  return `FORMAT[,FORMAT...]: ${known}, then those of backing files`;
}

/**
 * Parses `--format FORMAT[,FORMAT...]`: the image's, then its backing files'.
 *
 * @throws SluiceError EINVAL, exit code 2
 */
export function parseFormats(text = 'auto'): Formats {
  const [format = '', ...backingFormats] = text.split(',');
  if (format !== 'auto' && !isFormat(format)) {
    throw unknown(text, formatWords().join(', '));
  }
  if (!backingFormats.every(isFormat)) {
    throw unknown(text, `${names().join(', ')} for backing files`);
  }
  return { format, backingFormats };
}

/** The words that `--format` takes. */
export function formatWords(): string[] {
  return ['auto', ...names()];
}

function names(): string[] {
  return formats().map(({ name }) => name);
}

function unknown(text: string, known: string): SluiceError {
  const message = `--format ${text}: not known to this version, which has ${known}`;
  return new SluiceError(message, 'EINVAL', EXIT_USAGE);
}

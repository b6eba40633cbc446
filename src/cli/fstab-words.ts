import { SETTINGS } from '../control/settings.js';
import { refuse } from '../util/errors.js';
import { MOUNT_OPTIONS } from './mount-options.js';

/** How mount(8) asks a helper: `mount.fuse.sluice SPEC DIR [-sfnv] [-o OPTIONS] [-t TYPE]`. */
export interface HelperLine {
  /** The words of `sluice`. */
  words: string[];
  /** `-f`: everything but the mount itself. */
  isFake: boolean;
}

/** Specs that name no image: those of the configuration file, or none yet. */
const NO_IMAGE: readonly string[] = ['none', 'sluice', ''];

/** Words of mount(8) that are words of ours with a value. */
const OF_MOUNT: readonly string[] = ['owner', 'group'];

/** Options of `sluice mount` that make no sense in /etc/fstab. */
const NOT_THERE: readonly string[] = ['o', 'foreground', 'verbose'];

/**
 * The command line of sluice for a line of /etc/fstab. An option is one of `sluice mount` without its dashes, `read-only` or
 * `depth=32`, or `image=[NAME=]IMAGE` for a further image; all else is for `-o`.
 *
 * @throws SluiceError EINVAL, exit code 2
 */
export function fstabWords(argv: readonly string[]): HelperLine {
  const operands: string[] = [];
  const lists: string[] = [];
  let isFake = false;
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at]!;
    if (word === '-o') lists.push(optionValue(argv, ++at, word));
    else if (word === '-t') at++;
    else if (word === '-N') throw refuse('-N: sluice mounts in its own mount namespace only');
    else if (/^-[sfnv]+$/.test(word)) isFake ||= word.includes('f');
    else operands.push(word);
  }
  const [spec, point, ...more] = operands;
  if (spec === undefined || point === undefined || more.length > 0) {
    throw refuse('expected mount.fuse.sluice IMAGE MOUNTPOINT [-o OPTION,...]; mount(8) calls it');
  }
  return { words: toWords(spec, point, lists.flatMap(splitOptions)), isFake };
}

function optionValue(argv: readonly string[], at: number, option: string): string {
  const value = argv[at];
  if (value === undefined) throw refuse(`${option}: its value is missing`);
  return value;
}

/**
 * Commas separate options. One in a value has a backslash before it, or quotes are around the value.
 *
 * @throws SluiceError EINVAL, exit code 2: a quote that nothing closes
 */
export function splitOptions(list: string): string[] {
  const quotes = list.replaceAll(/\\./gs, '').split('"').length - 1;
  if (quotes % 2 === 1) throw refuse(`${list}: a quote is not closed`);
  const options = list.match(/(?:\\.|"[^"]*"|[^,\\"]|\\$|")+/gs) ?? [];
  return options.map((option) => option.replace(/\\(.)|"/gs, '$1'));
}

function toWords(spec: string, point: string, options: readonly string[]): string[] {
  const images = NO_IMAGE.includes(spec) ? [] : [spec];
  const words: string[] = [];
  const others: string[] = [];
  for (const option of options) {
    const equals = option.indexOf('=');
    const name = equals < 0 ? option : option.slice(0, equals);
    const value = equals < 0 ? null : option.slice(equals + 1);
    if (name === 'image' && value !== null) images.push(value);
    else if (isOurs(name) && !(value === null && OF_MOUNT.includes(name)))
      words.push(value === null ? `--${name}` : `--${name}=${value}`);
    else if (isOfGroup(name)) {
      const example = `group="GROUP:iops=1000,${option}"`;
      throw refuse(`${option}: a group with commas needs quotes around it: ${example}`);
    }
    // A comma within a word of -o has a backslash there too.
    else others.push(option.replaceAll(/[\\,]/g, '\\$&'));
  }
  const empty = images.length === 0 && !options.some((one) => one.startsWith('config='));
  // Not behind `--`: there a command is looked for.
  return [
    'mount',
    ...[...images, point].map((operand) => operand.replace(/^-/, './-')),
    ...words,
    ...(others.length > 0 ? ['-o', others.join(',')] : []),
    ...(empty && !words.includes('--empty') ? ['--empty'] : []),
  ];
}

/** A key of a group, which has been cut off by a comma. (`depth` is an option, too.) */
const isOfGroup = (name: string): boolean => SETTINGS.some(({ key }) => key === name);

/** A name of an option, or of the opposite of a flag. */
function isOurs(name: string): boolean {
  const options: Readonly<Record<string, { type: string }>> = MOUNT_OPTIONS;
  const positive = name.replace(/^no-/, '');
  if (NOT_THERE.includes(positive)) return false;
  if (Object.hasOwn(options, name)) return true;
  return positive !== name && options[positive]?.type === 'boolean';
}

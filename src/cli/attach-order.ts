import { parseFaults } from '../control/faults.js';
import { isOfImage, parseMember } from '../control/members.js';
import type { Assignment } from '../control/set-up-groups.js';
import type { ImageOrder } from '../server/image-order.js';
import { naming, refuse } from '../util/errors.js';
import type { Declaration, Given } from './declaration.js';
import { parseAssignOption } from './group-option.js';
import { parseImageArgument } from './image-argument.js';
import { parseChainOptions } from './image-commands.js';
import { imageOptions } from './image-options.js';
import { ATTACH_OPTIONS } from './mount-options.js';
import { absolutePath, overlayPath } from './working-directory.js';

/** Operands and options of `sluice attach`. */
export type AttachArguments = { mountpoint: string; image: string } & Given<typeof ATTACH_OPTIONS>;

export const ATTACH: Declaration = {
  usage:
    'sluice attach MOUNTPOINT [NAME=]IMAGE [options]\n\nAdd an image to a mount that is in use. Options that are not given are those of the mount.',
  operands: { mountpoint: 'where sluice is mounted', image: 'the image, shown as NAME.raw' },
  options: ATTACH_OPTIONS,
  examples: [
    ['sluice attach /mnt/s disk.img', 'shows /mnt/s/disk.raw'],
    ['sluice attach /mnt/s web=vm.img --assign web=gold', 'named, and in a group'],
  ],
};

/**
 * The order of a command line. Pure: no file is looked at.
 *
 * @throws SluiceError EINVAL and others, exit code 2
 */
export function attachOrder(args: AttachArguments, directory: string): ImageOrder {
  const { overlay, 'cache-file': cacheFile } = args;
  const image = parseImageArgument(args.image, directory);
  return {
    kind: 'attach',
    image: {
      ...{ ...image, ...parseChainOptions(args, directory), ...faultsOf(args.faults) },
      ...(cacheFile !== undefined && {
        cacheFile: absolutePath('--cache-file', cacheFile, directory),
      }),
    },
    overlay: overlay === undefined ? null : overlayPath('--overlay', overlay, directory),
    options: imageOptions(args),
    assignments: (args.assign ?? []).map((text) => assignmentOf(text, image.name)),
  };
}

function faultsOf(faults: string | undefined): { faults?: string } {
  if (faults === undefined) return {};
  naming('--faults', () => parseFaults(faults));
  return { faults };
}

function assignmentOf(text: string, image: string): Assignment {
  const assignment = parseAssignOption(text);
  const member = parseMember(assignment.member);
  if (member.kind === 'image' && isOfImage(member.name, image)) return assignment;
  throw refuse(`--assign ${text}: name the image, ${image}, or one of its partitions`);
}

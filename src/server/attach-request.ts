import { parseFaults } from '../control/faults.js';
import { groupPath } from '../control/group-name.js';
import { checkImageName, defaultName } from '../control/image-name.js';
import { parseMember } from '../control/members.js';
import { naming } from '../util/errors.js';
import type { AttachRequest } from './api-schema.js';
import type { AttachOptions, ImageOrder } from './image-order.js';

type AttachOrder = Extract<ImageOrder, { kind: 'attach' }>;

/** `into`, with those of `values` that are there. */
function given<T extends object>(values: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}

/** @throws SluiceError EINVAL for a name that cannot be; the schema has seen to all else */
export function orderOfRequest(request: AttachRequest): AttachOrder {
  const { path, name = defaultName(path), format = 'auto', backingFormats = [] } = request;
  checkImageName(name, path, path);
  const { snapshot = null, overlay = null, dataFiles = [], backingFiles = [] } = request;
  const { readOnly, growable, direct, untrusted, metadataCache } = request;
  const { partitions, sectorSize = null, assign = {}, faults, cacheFile } = request;
  if (faults !== undefined) naming('faults', () => parseFaults(faults));
  const isAsked = partitions !== undefined || sectorSize !== null;
  const shown = isAsked ? (partitions === false ? null : { sectorSize }) : undefined;
  const options = { readOnly, growable, direct, untrusted, metadataCache, partitions: shown };
  return {
    kind: 'attach',
    image: {
      ...{ name, path, format, snapshot },
      backingFormats: [...backingFormats],
      named: {
        dataFiles: [...dataFiles],
        backingFiles: [...backingFiles],
        untrusted: untrusted ?? false,
      },
      ...given({ faults, cacheFile }),
    },
    overlay,
    options: given(options) as AttachOptions,
    assignments: Object.entries(assign).map(([member, group]) => {
      naming(`assign.${member}`, () => parseMember(member));
      return { member, group: groupPath(group) };
    }),
  };
}

/** The request that makes a daemon carry out an order. */
export function requestOfOrder({
  image,
  overlay,
  options,
  assignments,
}: AttachOrder): AttachRequest {
  const { name, path, format, backingFormats, snapshot, named, faults, cacheFile } = image;
  const { partitions, ...flags } = options;
  const { dataFiles, backingFiles } = named ?? {};
  const entries = assignments.map(({ member, group }) => [member, group || '/']);
  return given({
    ...{ path, name, format, backingFormats, dataFiles, backingFiles },
    ...flags,
    snapshot: snapshot ?? undefined,
    overlay: overlay ?? undefined,
    ...{ faults, cacheFile },
    partitions: partitions === undefined ? undefined : partitions !== null,
    sectorSize: partitions?.sectorSize ?? undefined,
    assign: Object.fromEntries(entries),
  }) as AttachRequest;
}

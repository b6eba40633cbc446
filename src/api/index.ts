import { asApiErrors } from './api-error.js';
import type { ConnectFunction, MountFunction } from './types.js';

// The package `sluicefs` for programs. Its types are those of types.ts. What only one of the two needs is loaded there.

export const connect: ConnectFunction = (mountpoint) =>
  asApiErrors(async () => {
    const { connectTo, textOf } = await import('./client.js');
    const { findMountpoint } = await import('../cli/find-mountpoint.js');
    const path = textOf('mountpoint', mountpoint);
    return connectTo(findMountpoint(path, process.cwd()));
  });

export const mount: MountFunction = (images, options) =>
  asApiErrors(async () => {
    const { mountImages } = await import('./mount.js');
    return mountImages(images, options);
  });

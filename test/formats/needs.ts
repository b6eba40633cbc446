import { requires } from '../helpers/requires.js';

/** Tests of formats need the tools that make and check images. */
export const qemuTest = requires('qemu');

/** Tests of formats in a mount. */
export const qemuMountTest = requires('fuse', 'root', 'io_uring', 'qemu');

import { requires } from '../helpers/requires.js';

/** What the tests of formats need: the tools that make and check images. */
export const qemuTest = requires('qemu');

/** The same through a mount. */
export const qemuMountTest = requires('fuse', 'root', 'io_uring', 'qemu');

import { write } from 'node:fs';
import * as abi from './abi.js';
import { setU64, writeReplyHeader } from './wire.js';

/** The node id of the root of each mount. */
const ROOT_NODE = 1;

/*
 * Messages that tell the kernel that what it has cached is no longer so. It may have to wait for a directory
 * that a caller holds until the daemon has answered: so they are never sent from the data plane's thread. Errors
 * do not count: what the kernel does not know it need not forget, and it forgets by itself within a second.
 */

/** An entry of a directory is gone. @param device /dev/fuse @param parent its node; missing: that of the mount's root */
export function entryGone(device: number, name: string, parent = ROOT_NODE): Promise<void> {
  const encoded = new TextEncoder().encode(name);
  // The name ends with a NUL.
  const { message, view } = notification(
    abi.NOTIFY_INVAL_ENTRY,
    abi.NOTIFY_ENTRY_NAME + encoded.length + 1,
  );
  setU64(view, abi.OUT_HEADER_BYTES, parent);
  view.setUint32(abi.OUT_HEADER_BYTES + abi.NOTIFY_ENTRY_NAMELEN, encoded.length, true);
  message.set(encoded, abi.OUT_HEADER_BYTES + abi.NOTIFY_ENTRY_NAME);
  return send(device, message);
}

/** The size of a node is another one; its pages are right. @param device /dev/fuse */
export function attributesChanged(device: number, node: number): Promise<void> {
  const { message, view } = notification(abi.NOTIFY_INVAL_INODE, abi.NOTIFY_INODE_BYTES);
  setU64(view, abi.OUT_HEADER_BYTES, node);
  // An offset below 0: no pages.
  setU64(view, abi.OUT_HEADER_BYTES + abi.NOTIFY_INODE_OFFSET, -1);
  return send(device, message);
}

/**
 * The kernel sends all requests again that it has handed out and that are not answered: those that another process has
 * taken and left. Linux 6.9.
 * @param device /dev/fuse
 * @returns 0, or the -errno of the refusal
 */
export function resend(device: number): Promise<number> {
  return new Promise((resolve) => {
    const { message } = notification(abi.NOTIFY_RESEND, 0);
    write(device, message, (error) => resolve(error?.errno ?? 0));
  });
}

function notification(code: number, bytes: number): { message: Uint8Array; view: DataView } {
  const message = new Uint8Array(abi.OUT_HEADER_BYTES + bytes);
  const view = new DataView(message.buffer);
  writeReplyHeader(view, 0, 0, 0, code, bytes);
  return { message, view };
}

function send(device: number, message: Uint8Array): Promise<void> {
  return new Promise((resolve) => write(device, message, () => resolve()));
}

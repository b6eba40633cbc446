import koffi from 'koffi';
import { ERRNO, errnoName } from '../util/errno.js';
import { recvmsg, socketpair } from './libc.js';
import { AF_UNIX, MSG_DONTWAIT, SOCK_CLOEXEC, SOCK_STREAM, SOL_SOCKET } from './sockets.js';

const SCM_RIGHTS = 1;
const MSG_CMSG_CLOEXEC = 0x40000000;

// One block of memory has all structures of recvmsg(2), for 64-bit Linux, little-endian.
// struct msghdr: name@0 namelen@8 iov@16 iovlen@24 control@32 controllen@40 flags@48; 56 bytes.
const MSG_IOV = 16;
const MSG_IOVLEN = 24;
const MSG_CONTROL = 32;
const MSG_CONTROLLEN = 40;
// struct iovec: base@0 len@8.
const IOV = 56;
const IOV_LEN = IOV + 8;
// struct cmsghdr: len@0 level@8 type@12, followed by one descriptor.
const CMSG = 72;
const CMSG_LEVEL = CMSG + 8;
const CMSG_TYPE = CMSG + 12;
const CMSG_FD = CMSG + 16;
const PAYLOAD = 96;
const BLOCK_BYTES = 97;

/**
 * CMSG_LEN of one int. With CMSG_SPACE, which is 24, the kernel would put a second descriptor into the
 * padding, and it would never be closed.
 */
const ONE_FD_BYTES = 20;

/** Two connected stream sockets, closed on exec. Throws if there are no descriptors left. */
export function socketPair(): [number, number] {
  const pair = new Int32Array(2);
  const result = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
  if (result < 0) throw new Error(`socketpair: ${errnoName(result)}`);
  return [pair[0], pair[1]];
}

/**
 * Receives one descriptor (SCM_RIGHTS) from a Unix socket, without waiting. It is closed on exec.
 *
 * @returns The descriptor; -EAGAIN if nothing has been sent yet; -ENODATA if the other end sent no
 *   descriptor; another -errno of recvmsg(2).
 */
export function receiveFd(socket: number): number {
  const block = new DataView(new ArrayBuffer(BLOCK_BYTES));
  const address = koffi.address(block.buffer);
  block.setBigUint64(MSG_IOV, address + BigInt(IOV), true);
  block.setBigUint64(MSG_IOVLEN, 1n, true);
  block.setBigUint64(MSG_CONTROL, address + BigInt(CMSG), true);
  block.setBigUint64(MSG_CONTROLLEN, BigInt(ONE_FD_BYTES), true);
  block.setBigUint64(IOV, address + BigInt(PAYLOAD), true);
  block.setBigUint64(IOV_LEN, 1n, true);

  const got = recvmsg(socket, Number(address), MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0) return got;
  const controlBytes = Number(block.getBigUint64(MSG_CONTROLLEN, true));
  if (got === 0 || controlBytes < ONE_FD_BYTES) return -ERRNO.ENODATA;
  const isRights =
    block.getInt32(CMSG_LEVEL, true) === SOL_SOCKET &&
    block.getInt32(CMSG_TYPE, true) === SCM_RIGHTS;
  return isRights ? block.getInt32(CMSG_FD, true) : -ERRNO.ENODATA;
}

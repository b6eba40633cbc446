/** Headers of VDI images, from the layout in VirtualBox's VDICore.h, with literal offsets. */

export const GIB = 2 ** 30;

export interface VdiFields {
  signature?: number;
  version?: number;
  type?: number;
  mapOffset?: number;
  dataOffset?: number;
  sectorBytes?: number;
  size?: number;
  blockBytes?: number;
  extra?: number;
  blocks?: number;
  /** UUIDs as hexadecimal digits in the order of the file. */
  id?: string;
  changeId?: string;
  parentId?: string;
  parentChangeId?: string;
}

/** A header of an image of 1 GiB in blocks of 1 MiB, but for the fields that are given. */
export function vdiHeader(fields: VdiFields = {}): Buffer {
  const head = Buffer.alloc(512);
  head.write('<<< Oracle VM VirtualBox Disk Image >>>\n');
  head.writeUInt32LE(fields.signature ?? 0xbeda107f, 64);
  head.writeUInt32LE(fields.version ?? 0x00010001, 68);
  head.writeUInt32LE(0x190, 72);
  head.writeUInt32LE(fields.type ?? 1, 76);
  head.writeUInt32LE(fields.mapOffset ?? 512, 0x154);
  head.writeUInt32LE(fields.dataOffset ?? 1 << 20, 0x158);
  head.writeUInt32LE(fields.sectorBytes ?? 512, 0x168);
  head.writeBigUInt64LE(BigInt(fields.size ?? GIB), 0x170);
  head.writeUInt32LE(fields.blockBytes ?? 1 << 20, 0x178);
  head.writeUInt32LE(fields.extra ?? 0, 0x17c);
  head.writeUInt32LE(fields.blocks ?? 1024, 0x180);
  head.write(fields.id ?? '33221100554477668899aabbccddeeff', 0x188, 'hex');
  head.write(fields.changeId ?? '33221110554477668899aabbccddeeff', 0x198, 'hex');
  head.write(fields.parentId ?? '33221120554477668899aabbccddeeff', 0x1a8, 'hex');
  head.write(fields.parentChangeId ?? '33221130554477668899aabbccddeeff', 0x1b8, 'hex');
  return head;
}

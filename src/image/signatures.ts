/** Where a format writes what, as text in latin1. */
interface Signature {
  format: string;
  offset: number;
  text: string;
}

/** Sources: docs/interop/qcow2.rst and block/*.c of QEMU. */
const SIGNATURES: readonly Signature[] = [
  { format: 'qcow2', offset: 0, text: 'QFI\xfb' },
  { format: 'vmdk', offset: 0, text: 'KDMV' },
  { format: 'vmdk', offset: 0, text: 'COWD' },
  { format: 'vmdk', offset: 0, text: '# Disk DescriptorFile' },
  { format: 'vhdx', offset: 0, text: 'vhdxfile' },
  { format: 'vhd', offset: 0, text: 'conectix' },
  { format: 'vdi', offset: 64, text: '\x7f\x10\xda\xbe' },
  { format: 'parallels', offset: 0, text: 'WithoutFreeSpace' },
  { format: 'parallels', offset: 0, text: 'WithouFreSpacExt' },
  { format: 'qed', offset: 0, text: 'QED\0' },
];

/** Bytes from the beginning of an image that tell its format: that of VDI ends at 68. */
export const HEAD_BYTES = 512;

/**
 * Name of the format that the first bytes of a file look like; null for a raw image. A guest can
 * write any of these to a raw disk, so `--format raw` overrules it.
 *
 * @param head the first HEAD_BYTES bytes, fewer if the file is shorter
 */
export function formatOf(head: Uint8Array): string | null {
  const text = Buffer.from(head).toString('latin1');
  return SIGNATURES.find((known) => text.startsWith(known.text, known.offset))?.format ?? null;
}

import type { PartitionTable } from './table.js';

// The types that images have most often. Any other one is shown as it is written.

/** By the byte in an MBR. */
const MBR_TYPES: ReadonlyMap<string, string> = new Map([
  ['1', 'FAT12'],
  ['4', 'FAT16, below 32 MiB'],
  ['5', 'extended'],
  ['6', 'FAT16'],
  ['7', 'NTFS or exFAT'],
  ['b', 'FAT32'],
  ['c', 'FAT32 (LBA)'],
  ['e', 'FAT16 (LBA)'],
  ['f', 'extended (LBA)'],
  ['11', 'hidden FAT12'],
  ['17', 'hidden NTFS'],
  ['27', 'Windows recovery'],
  ['42', 'Windows dynamic disk'],
  ['82', 'Linux swap'],
  ['83', 'Linux'],
  ['85', 'Linux extended'],
  ['8e', 'Linux LVM'],
  ['a5', 'FreeBSD'],
  ['a6', 'OpenBSD'],
  ['a9', 'NetBSD'],
  ['af', 'macOS HFS'],
  ['ea', 'Linux extended boot'],
  ['ee', 'GPT'],
  ['ef', 'EFI system'],
  ['fb', 'VMware VMFS'],
  ['fd', 'Linux RAID'],
]);

/** By the GUID in a GPT. */
const GPT_TYPES: ReadonlyMap<string, string> = new Map([
  ['C12A7328-F81F-11D2-BA4B-00A0C93EC93B', 'EFI system'],
  ['21686148-6449-6E6F-744E-656564454649', 'BIOS boot'],
  ['024DEE41-33E7-11D3-9D69-0008C781F39F', 'MBR partition scheme'],
  ['E3C9E316-0B5C-4DB8-817D-F92DF00215AE', 'Microsoft reserved'],
  ['EBD0A0A2-B9E5-4433-87C0-68B6B72699C7', 'Microsoft basic data'],
  ['DE94BBA4-06D1-4D40-A16A-BFD50179D6AC', 'Windows recovery'],
  ['5808C8AA-7E8F-42E0-85D2-E1E90434CFB3', 'Windows LDM metadata'],
  ['AF9B60A0-1431-4F62-BC68-3311714A69AD', 'Windows LDM data'],
  ['0FC63DAF-8483-4772-8E79-3D69D8477DE4', 'Linux filesystem'],
  ['0657FD6D-A4AB-43C4-84E5-0933C84B4F4F', 'Linux swap'],
  ['E6D6D379-F507-44C2-A23C-238F2A3DF928', 'Linux LVM'],
  ['A19D880F-05FC-4D3B-A006-743F0F84911E', 'Linux RAID'],
  ['933AC7E1-2EB4-4F13-B844-0E14E2AEF915', 'Linux home'],
  ['3B8F8425-20E0-4F3B-907F-1A25A76F98E8', 'Linux server data'],
  ['BC13C2FF-59E6-4262-A352-B275FD6F7172', 'Linux extended boot'],
  ['44479540-F297-41B2-9AF7-D131D5F0458A', 'Linux root (x86)'],
  ['4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709', 'Linux root (x86-64)'],
  ['69DAD710-2CE4-4E3C-B16C-21A1D49ABED3', 'Linux root (ARM)'],
  ['B921B045-1DF0-41C3-AF44-4C6F280D3FAE', 'Linux root (ARM64)'],
  ['72EC70A6-CF74-40E6-BD49-4BDA08E8F224', 'Linux root (RISC-V 64)'],
  ['8484680C-9521-48C6-9C11-B0720656F69E', 'Linux /usr (x86-64)'],
  ['2C7357ED-EBD2-46D9-AEC1-23D437EC2BF5', 'Linux verity (x86-64)'],
  ['9E1A2D38-C612-4316-AA26-8B49521E5A8B', 'PowerPC PReP boot'],
  ['516E7CB4-6ECF-11D6-8FF8-00022D09712B', 'FreeBSD'],
  ['83BD6B9D-7F41-11DC-BE0B-001560B84F0F', 'FreeBSD boot'],
  ['516E7CB5-6ECF-11D6-8FF8-00022D09712B', 'FreeBSD swap'],
  ['516E7CB6-6ECF-11D6-8FF8-00022D09712B', 'FreeBSD UFS'],
  ['516E7CBA-6ECF-11D6-8FF8-00022D09712B', 'FreeBSD ZFS'],
  ['824CC7A0-36A8-11E3-890A-952519AD3F61', 'OpenBSD data'],
  ['48465300-0000-11AA-AA11-00306543ECAC', 'macOS HFS+'],
  ['7C3457EF-0000-11AA-AA11-00306543ECAC', 'macOS APFS'],
  ['6A898CC3-1DD2-11B2-99A6-080020736631', 'ZFS'],
  ['AA31E02A-400F-11DB-9590-000C2911D1B8', 'VMware VMFS'],
  ['FE3A2A5D-4F32-41A7-B725-ACCC3285A309', 'ChromeOS kernel'],
  ['3CB8E202-3B7E-47DD-8A3C-7FF2A13CFCEC', 'ChromeOS root'],
]);

/** The type of a partition for people; null for one without a name here. */
export function typeName(scheme: PartitionTable['scheme'], type: string): string | null {
  return (scheme === 'gpt' ? GPT_TYPES : MBR_TYPES).get(type) ?? null;
}

import type { ReadableFile } from '../../host/open-file.js';
import { u64, viewOf } from '../fields.js';
import { windowsName } from '../windows-name.js';

// Virtual Hard Disk Image Format Specification 1.0: "Parent Unicode Name", "Parent Locator".

const NAME_AT = 64;
const NAME_BYTES = 512;
const LOCATORS_AT = 576;
const LOCATOR_BYTES = 24;
const LOCATORS = 8;
/** Longer than a path can be. */
const LOCATOR_DATA_MAX = 64 << 10;

/** Codes of locators, the most useful first: relative path, URL, absolute path of Windows. */
const RELATIVE = 'W2ru';
const URL_CODE = 'MacX';
const ABSOLUTE = 'W2ku';

/**
 * Names that may lead to the parent of a differencing image, the most exact first: relative ones from
 * the folder of the image.
 *
 * @param header The dynamic header.
 */
export function parentNames(file: ReadableFile, header: Uint8Array): string[] {
  const locators = new Map<string, Uint8Array>();
  const view = viewOf(header);
  for (let index = 0; index < LOCATORS; index++) {
    const at = LOCATORS_AT + index * LOCATOR_BYTES;
    const code = Buffer.from(header.subarray(at, at + 4)).toString('latin1');
    const bytes = view.getUint32(at + 8);
    const offset = u64(view, at + 16, false);
    if (bytes > LOCATOR_DATA_MAX || offset + bytes > file.size) continue;
    locators.set(code, file.read(offset, bytes));
  }
  const names = [
    textOf(locators.get(RELATIVE), 'utf-16le'),
    urlName(textOf(locators.get(URL_CODE), 'utf-8')),
    textOf(locators.get(ABSOLUTE), 'utf-16le'),
    textOf(header.subarray(NAME_AT, NAME_AT + NAME_BYTES), 'utf-16be'),
  ];
  return [...new Set(names.filter((name) => name !== null).map(windowsName))];
}

/** Up to the first zero; null for none, and for what is no text. */
function textOf(bytes: Uint8Array | undefined, encoding: string): string | null {
  if (bytes === undefined) return null;
  const [text = ''] = new TextDecoder(encoding).decode(bytes).split('\0');
  return text === '' || text.includes('\uFFFD') ? null : text;
}

/** `file://localhost/a/b.vhd`, or as XenServer writes relative ones, `file://./b.vhd`. */
function urlName(text: string | null): string | null {
  const path = text === null ? null : /^file:\/\/(?:localhost(?=\/))?(.*)$/s.exec(text)?.[1];
  if (path === undefined || path === null || path === '') return null;
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** A drive, a server or a volume of Windows. */
const IS_ABSOLUTE = /^([A-Za-z]:|\\\\)/;

/**
 * The path of a name that Windows, or a program that writes like it, has stored in an image. Of an
 * absolute one only the last part says something here: the file may lie beside the image.
 */
export function windowsName(text: string): string {
  const path = text.replaceAll('\\', '/');
  const name = IS_ABSOLUTE.test(text) ? path.slice(path.lastIndexOf('/') + 1) : path;
  // A relative name with a colon would be taken for one with a protocol.
  return name.startsWith('/') || name.startsWith('./') ? name : `./${name}`;
}

/** V8 takes memory for its heaps in pages of this size, at places that are a multiple of it. */
const HEAP_PAGE = 256 << 10;

/**
 * The mappings of a process that its program has made. The pages of V8's heaps are none: their number follows the load (a
 * young generation grows from 2 to 128 of them), and what they take is resident memory.
 *
 * @param maps the text of /proc/PID/maps
 */
export function countMappings(maps: string): number {
  return maps.split('\n').filter((line) => line !== '' && !isHeapPage(line)).length;
}

function isHeapPage(line: string): boolean {
  const [, from = '', to = '', path = ''] = /^(\w+)-(\w+) rw-p \w+ \S+ \d+ *(.*)$/.exec(line) ?? [];
  if (from === '' || path !== '') return false;
  const [begin, end] = [Number.parseInt(from, 16), Number.parseInt(to, 16)];
  return begin % HEAP_PAGE === 0 && end % HEAP_PAGE === 0;
}

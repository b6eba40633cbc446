import { type Memory, SLOT_DATA } from '../buffers/memory.js';
import type { Task } from '../host/engine.js';
import type { TableFound } from '../image/read-image.js';
import { readTable, type SectorSizes } from '../partitions/read-table.js';
import { type ByteRange, isShown, type Partition } from '../partitions/table.js';
import type { DiskNode, Tree } from '../tree/tree.js';
import { hostErrorText } from '../util/errno.js';
import type { Disk, ShownPartitions } from './disk.js';
import type { DiskTable } from './disk-table.js';
import type { Members } from './members.js';
import type { TableNews } from './table-news.js';
import { TableWatch } from './table-watch.js';

/** A file name has 255 bytes at most; `.raw` takes four. */
const NAME_BYTES_MAX = 251;
/** The objects that the partitions of all images share. */
export interface PartitionsIo {
  /** Partitions are added to it. */
  readonly table: DiskTable;
  readonly tree: Tree;
  readonly members: Members;
  readonly memory: Memory;
  slotOf(request: number): number;
  readonly now: () => number;
  readonly news: TableNews;
}

/** A partition that has a file, or had one. */
interface Shown {
  /** Number of its disk: the same for each partition of this number. */
  readonly index: number;
  disk: Disk;
  /** Null while there is no such partition. */
  node: DiskNode | null;
}

/**
 * The partitions of one image, each a disk of its own. They follow the table: when the bytes that it was
 * read from have been written, it is read again with the next flush of any disk of the image, and when
 * the last handle of one is closed. Before that it may be half written.
 *
 * As with Linux, a partition that is in use keeps its place whatever the table says, until it is closed; it
 * may only become longer.
 */
export class ImagePartitions implements ShownPartitions {
  readonly watch = new TableWatch();
  readonly #whole: Disk;
  readonly #sectors: SectorSizes;
  readonly #io: PartitionsIo;
  /** By the number of the partition. */
  readonly #shown = new Map<number, Shown>();
  /** A partition in use is not where the table says. */
  #isBehind = false;
  #readings = 0;
  /** Readings that have not ended. */
  #underWay = 0;
  /** The image is being detached. */
  #isLeaving = false;

  constructor(whole: Disk, { sectors, table, ranges, shown }: TableFound, io: PartitionsIo) {
    this.#whole = whole;
    this.#sectors = sectors;
    this.#io = io;
    // The faults of the table itself were told where the image was opened.
    this.#tell(this.#follow(shown ?? table?.partitions ?? [], ranges));
    this.watch.isStale = shown !== undefined;
  }

  get disks(): Disk[] {
    const shown = [...this.#shown.values()].filter(({ node }) => node !== null);
    return shown.map(({ disk }) => disk);
  }

  get isReading(): boolean {
    return this.#underWay > 0;
  }

  refuse(errno: number): void {
    this.#isLeaving = errno !== 0;
    for (const { node } of this.#shown.values()) if (node !== null) node.refusal = errno;
  }

  close(): void {
    for (const { disk, node, index } of this.#shown.values()) {
      if (node !== null) this.#remove(disk, node);
      this.#io.table.remove(index);
    }
    this.#shown.clear();
  }

  isWantedAfter({ opens, partition }: Disk): boolean {
    return opens === 0 && (this.watch.isStale || (this.#isBehind && partition !== null));
  }

  *reread(request: number): Task {
    if (this.#isLeaving) return 0;
    this.#underWay++;
    const result = yield* this.#read(request);
    this.#underWay--;
    return result;
  }

  *#read(request: number): Task {
    const { driver } = this.#whole.image;
    const { memory } = this.#io;
    this.watch.isStale = false;
    const number = ++this.#readings;
    const ranges: ByteRange[] = [];
    const reading = readTable(driver.size, this.#sectors);
    let step = reading.next();
    while (!step.done) {
      const { offset, length } = step.value;
      ranges.push(step.value);
      const inBlock = offset & (driver.alignment - 1);
      const at = this.#io.slotOf(request) + SLOT_DATA + inBlock;
      const result = yield* driver.read(request, offset, length, at, 0);
      if (result < 0) {
        this.#tell([`it cannot be read: ${hostErrorText(-result)}`]);
        return 0;
      }
      step = reading.next(memory.bytes.slice(at, at + length));
    }
    // One that began later has seen more.
    if (number !== this.#readings || this.#isLeaving) return 0;
    const faults = step.value?.problems ?? [];
    this.#tell([...faults, ...this.#follow(step.value?.partitions ?? [], ranges)]);
    return 0;
  }

  /** @returns What of the table cannot be followed, as sentences. */
  #follow(partitions: readonly Partition[], ranges: readonly ByteRange[]): string[] {
    this.watch.set(ranges);
    this.#isBehind = false;
    const { size } = this.#whole.image.driver;
    const wanted = partitions.filter((one) => isShown(one, size));
    const numbers = new Set(wanted.map(({ number }) => number));
    const told: string[] = [];
    for (const [number, shown] of this.#shown) {
      if (!numbers.has(number) && shown.node !== null) this.#hide(shown, told);
    }
    for (const partition of wanted) this.#show(partition, told);
    return told;
  }

  #tell(faults: readonly string[]): void {
    this.#io.news.read(this.#whole.config.path, faults, this.#io.now());
  }

  #hide(shown: Shown, told: string[]): boolean {
    const { disk, node } = shown;
    if (disk.opens > 0) {
      this.#isBehind = true;
      told.push(`${disk.config.name} is in use and keeps its place until it is closed`);
      return false;
    }
    this.#remove(disk, node!);
    shown.node = null;
    return true;
  }

  #remove(disk: Disk, node: DiskNode): void {
    this.#io.members.removePartition(disk.config.name);
    this.#io.tree.remove(node);
  }

  #show(partition: Partition, told: string[]): void {
    const shown = this.#shown.get(partition.number);
    if (shown !== undefined && shown.node !== null) {
      const { disk } = shown;
      const isThere = disk.config.start === partition.start;
      if (isThere && (disk.opens === 0 || disk.config.length! <= partition.size)) {
        if (disk.config.length !== partition.size) this.#io.tree.changes++;
        disk.config.length = partition.size;
        disk.partition = partition;
        return;
      }
      if (!this.#hide(shown, told)) return;
    }
    this.#add(partition, shown, told);
  }

  /** @param before The partition that had this number. */
  #add(partition: Partition, before: Shown | undefined, told: string[]): void {
    const { table, tree, members } = this.#io;
    const whole = this.#whole;
    const name = partitionName(whole.config.name, partition.number);
    const file = `${name}.raw`;
    if (tree.root.children.has(file)) {
      told.push(`p${partition.number} is not shown: there is another ${file}`);
      return;
    }
    if (Buffer.byteLength(name) > NAME_BYTES_MAX) {
      told.push(`p${partition.number} is not shown: its name would be too long`);
      return;
    }
    const { start, size: length } = partition;
    const disk: Disk = {
      ...whole,
      config: { ...whole.config, name, start, length, growable: false },
      partition,
      opens: 0,
      pendingOpens: 0,
      writes: 0,
      seen: null,
    };
    const index = before?.index ?? table.add(disk);
    table.replace(index, disk);
    members.addPartition(name, disk, whole.member);
    this.#shown.set(partition.number, { index, disk, node: tree.addDisk(tree.root, file, index) });
  }
}

/** The name of a partition, as a member and before `.raw`. */
export function partitionName(image: string, number: number): string {
  return `${image}.p${number}`;
}

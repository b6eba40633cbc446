import test, { type ExecutionContext } from 'ava';
import { MIB } from '../helpers/temp.js';
import { Bench, DISK, FSYNC, ioBody, OPEN, READ, SETATTR, truncateBody } from './bench.js';

const SECTOR = 512;
const RELEASE = 18;
const ENOSPC = 28;
const EIO = 5;
const EPERM = 1;

/** First sector and sectors of each partition. */
type Places = readonly (readonly [start: number, sectors: number])[];

/** The first sector of a disk with an MBR. */
function mbr(places: Places): Buffer {
  const sector = Buffer.alloc(SECTOR);
  for (const [index, [start, sectors]] of places.entries()) {
    const at = 446 + index * 16;
    if (sectors > 0) sector.writeUInt8(0x83, at + 4);
    sector.writeUInt32LE(start, at + 8);
    sector.writeUInt32LE(sectors, at + 12);
  }
  sector.writeUInt16BE(0x55aa, 510);
  return sector;
}

const ONE: Places = [[100, 50]];
const TWO: Places = [
  [100, 50],
  [200, 100],
];

/** A mount of one disk, whose sectors begin with their number, and no table. */
class Mounted {
  readonly bench: Bench;

  constructor(config = {}) {
    const content = new Uint8Array(MIB);
    const view = new DataView(content.buffer);
    for (let at = 0; at < MIB; at += SECTOR) view.setUint32(at, at / SECTOR, true);
    this.bench = new Bench({ contents: [content], alignment: 512, partitions: true, config });
  }

  /** Names of the files, without `.raw`. */
  get shown(): string[] {
    return [...this.bench.tree.root.children.keys()].map((name) => name.slice(0, -4)).sort();
  }

  node(name: string): number {
    return this.bench.tree.root.children.get(`${name}.raw`)!.id;
  }

  write(places: Places): void {
    this.bench.writeNow(0, mbr(places));
  }

  flush(): void {
    this.bench.answer(FSYNC, DISK, new Uint8Array(16));
  }

  /** Writes a table and flushes it. */
  follow(places: Places): void {
    this.write(places);
    this.flush();
  }

  open(name: string): { node: number; handle: number } {
    const node = this.node(name);
    const answer = this.bench.answer(OPEN, node, new Uint8Array([2, 0, 0, 0, 0, 0, 0, 0]));
    return { node, handle: new DataView((answer as Uint8Array).buffer).getUint32(0, true) };
  }

  close({ node, handle }: { node: number; handle: number }): void {
    const body = new Uint8Array(24);
    body[0] = handle;
    this.bench.answer(RELEASE, node, body);
  }

  /** The number at the beginning of a file: that of its first sector. */
  first(node: number): number {
    const answer = this.bench.answer(READ, node, ioBody(0, 4096)) as Uint8Array;
    return Buffer.from(answer).readUInt32LE(0);
  }
}

function checked(run: (t: ExecutionContext, mounted: Mounted) => void) {
  return (t: ExecutionContext): void => {
    const mounted = new Mounted();
    run(t, mounted);
    mounted.bench.assertIdle();
  };
}

test(
  'a table counts from the flush on',
  checked((t, m) => {
    m.write(TWO);
    t.deepEqual(m.shown, ['disk0']);
    m.flush();
    t.deepEqual(m.shown, ['disk0', 'disk0.p1', 'disk0.p2']);
    t.is(m.first(m.node('disk0.p1')), 100);
    t.is(m.first(m.node('disk0.p2')), 200);
    m.follow(ONE);
    t.deepEqual(m.shown, ['disk0', 'disk0.p1']);
  }),
);

test(
  'a flush after writes to other places reads nothing',
  checked((t, m) => {
    m.follow(ONE);
    let reads = 0;
    m.bench.host.fault = ({ kind }) => {
      if (kind === 'read') reads++;
      return null;
    };
    m.bench.writeNow(8192, new Uint8Array(512));
    m.flush();
    t.is(reads, 0);
    m.bench.writeNow(7680, new Uint8Array(512));
    t.is(reads, 0);
    m.flush();
    t.is(reads, 1);
  }),
);

test(
  'a table counts when the last handle is closed, and before that it may be half written',
  checked((t, m) => {
    const [first, second] = [m.open('disk0'), m.open('disk0')];
    m.write(ONE);
    m.close(first);
    t.deepEqual(m.shown, ['disk0']);
    m.close(second);
    t.deepEqual(m.shown, ['disk0', 'disk0.p1']);
  }),
);

test(
  'a partition in use keeps its place until it is closed',
  checked((t, m) => {
    m.follow(TWO);
    const [first, second] = [m.open('disk0.p1'), m.open('disk0.p2')];
    m.follow([[300, 10]]);
    t.is(m.first(first.node), 100);
    t.is(m.first(second.node), 200);
    t.deepEqual(m.shown, ['disk0', 'disk0.p1', 'disk0.p2']);
    m.bench.turn(m.bench.nowNs + 20e9);
    t.deepEqual(m.bench.tableNews, [
      '/disk: partition table: disk0.p2 is in use and keeps its place until it is closed; disk0.p1 is in use and keeps its place until it is closed',
    ]);
    m.close(first);
    t.not(m.node('disk0.p1'), first.node);
    t.is(m.first(m.node('disk0.p1')), 300);
    t.is(m.first(second.node), 200);
    m.close(second);
    t.deepEqual(m.shown, ['disk0', 'disk0.p1']);
  }),
);

test(
  'a partition in use grows at once, and shrinks when it is closed',
  checked((t, m) => {
    m.follow(ONE);
    const held = m.open('disk0.p1');
    const size = (): number => m.bench.plane.status(1).size / SECTOR;
    m.follow([[100, 80]]);
    t.deepEqual([size(), m.node('disk0.p1')], [80, held.node]);
    m.follow([[100, 20]]);
    t.is(size(), 80);
    m.close(held);
    t.is(size(), 20);
  }),
);

test('a partition that the end of the image cuts ends there, and follows when the image grows', (t) => {
  const m = new Mounted({ growable: true });
  m.follow([[2000, 100]]);
  const size = (): number => m.bench.plane.status(1).size / SECTOR;
  t.is(size(), 48);
  const { node } = m.open('disk0.p1');
  const write = (offset: number) =>
    m.bench.written(m.bench.write(offset, new Uint8Array(512), node));
  t.is(write(47 * SECTOR), 512);
  t.is(write(48 * SECTOR), -ENOSPC);
  t.is(m.bench.answer(SETATTR, node, truncateBody(100)), -EPERM);
  m.bench.writeNow(MIB + 20 * SECTOR, new Uint8Array(512));
  t.is(size(), 48 + 21);
  m.bench.answer(SETATTR, DISK, truncateBody(2 * MIB));
  t.is(size(), 100);
  m.bench.answer(SETATTR, DISK, truncateBody(MIB / 2));
  t.is(size(), 0);
  t.is((m.bench.answer(READ, node, ioBody(0, 4096)) as Uint8Array).length, 0);
});

test(
  'a table that changes a thousand times leaves nothing behind',
  checked((t, m) => {
    for (let round = 0; round < 1000; round++) {
      m.follow(Array.from({ length: 4 }, (_, i) => [100 + i * 100 + (round % 7), 50] as const));
      m.follow([]);
    }
    t.is(m.bench.table.disks.length, 5);
    t.deepEqual(m.shown, ['disk0']);
    t.is(m.bench.throttle.memberStats(0).queued, 0);
  }),
);

test(
  'a table that cannot be read stays as it was',
  checked((t, m) => {
    m.follow(ONE);
    m.write(TWO);
    m.bench.host.fault = (op) => (op.kind === 'read' ? -EIO : null);
    m.flush();
    t.deepEqual(m.shown, ['disk0', 'disk0.p1']);
    m.bench.host.fault = () => null;
    m.bench.turn(m.bench.nowNs + 20e9);
    t.regex(m.bench.tableNews.join(), /it cannot be read: .*\(EIO\)$/);
  }),
);

test(
  'a member that was assigned waits for its partition',
  checked((t, m) => {
    m.follow(ONE);
    const { members, throttle } = m.bench;
    const gold = throttle.createGroup('gold');
    const names = (): string[] => members.list(gold, 0).map((one) => throttle.memberName(one));
    const assign = (name: string, remove = false): void => {
      const change = { member: { kind: 'image', name }, remove } as const;
      members.prepare(gold, [change], 0)();
    };
    assign('disk0.p1');
    m.follow([]);
    t.deepEqual(names(), ['disk0.p1']);
    m.follow(TWO);
    m.first(m.node('disk0.p1'));
    m.first(m.node('disk0.p2'));
    t.is(throttle.groupStats(gold).rios, 1);
    assign('-disk0.p1');
    m.first(m.node('disk0.p1'));
    t.is(throttle.groupStats(gold).rios, 1);
    t.deepEqual(names(), []);
  }),
);

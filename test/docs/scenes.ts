/** What the command lines of README.md and docs/ need to run, and which of them a test cannot run. */

/** A scene has its own /mnt, /srv, /tmp and /run, and a shell in /srv. */
export interface Scene {
  /** Run by `make docs-test` only. */
  isLong?: true;
  /** Commands of the shell before the first block. */
  before?: string;
  /** Blocks by their first lines, in the order in which they run. */
  blocks: readonly Block[];
}

export interface Block {
  /** The first line, without its comment. */
  first: string;
  /** Commands of the shell before the block, and after each of its lines. */
  before?: string;
  each?: string;
}

const AWAY = 'if mountpoint -q /mnt/s; then sluice umount /mnt/s; fi';

export const SCENES: Readonly<Record<string, Scene>> = {
  'a first session': {
    blocks: [{ first: 'mkdir /tmp/try && cd /tmp/try && mkdir s && truncate -s 1G disk.img' }],
  },
  mounts: {
    before: `
      image disk.img one.img two.img gold.img silver.img
      qemu-img create -q -f qcow2 vm.qcow2 1M
      qemu-img snapshot -c before-upgrade vm.qcow2
      qemu-img create -q -f vmdk vm.vmdk 1M`,
    blocks: [
      { first: 'truncate -s 1G disk.img && mkdir -p /tmp/s' },
      { first: 'sluice mount disk.img /mnt/s', each: AWAY },
      { first: 'sluice mount disk.img /mnt/s --read-only -- sha256sum /mnt/s/disk.raw' },
      { first: 'sluice mount vm.vmdk /mnt/s --overlay changes.qcow2', each: AWAY },
      { first: 'sluice mount vm.qcow2 /mnt/s', before: 'rm changes.qcow2', each: AWAY },
      { first: 'sluice info disk.img' },
      { first: 'sluice map vm.qcow2' },
      {
        first: 'sluice umount /mnt/s',
        before: 'sluice mount disk.img /mnt/s',
        each: 'sluice mount disk.img /mnt/s',
      },
      {
        first: 'qemu-img create -f qcow2 -b nbd://server/base -F raw -u over.qcow2 20G',
        before: AWAY,
      },
      {
        first: 'sluice completion bash > ~/.local/share/bash-completion/completions/sluice',
        before:
          'mkdir -p ~/.local/share/bash-completion/completions ~/.zfunc ~/.config/fish/completions',
      },
    ],
  },
  'a live mount': {
    before: `
      image disk.img one.img web.img lv.img
      qemu-img create -q -f qcow2 vm.qcow2 1M
      sluice mount one.img lv.img /mnt/s --group slow --group gold --group old`,
    blocks: [
      { first: 'sluice attach /mnt/s disk.img' },
      { first: 'sluice set /mnt/s gold weight=80 bps=100M burst.bps=400M/10' },
      {
        first:
          'sluice set /mnt/s gold total_bytes_sec=10485760 total_bytes_sec_max=41943040 total_bytes_sec_max_length=10',
      },
      {
        first: 'sluice faults /mnt/s db read.error=1% write.delay=20ms',
        before: 'image db.img; sluice attach /mnt/s db.img',
      },
      { first: 'sluice stat /mnt/s' },
      { first: 'sluice top /mnt/s' },
      { first: 'sluice save /mnt/s > vm.yaml' },
      { first: 'S=/run/sluice/$(mountpoint -d /mnt/s | tr : -).sock' },
      {
        first: 'sluice resize /mnt/s web 20G',
        before: 'sluice detach /mnt/s web; sluice attach /mnt/s web.img; truncate -s 2M lv.img',
      },
      { first: 'sluice detach /mnt/s web', each: 'sluice attach /mnt/s web.img' },
      {
        first: 'cd /mnt/s/.groups',
        before:
          'sluice set /mnt/s gold member=one; sluice set /mnt/s / member=one member=uid:1000; echo -uid:1000 > /mnt/s/.groups/members; sluice set /mnt/s gold --remove',
      },
    ],
  },
  overlays: {
    before: `
      image disk.img base.img
      qemu-img create -q -f qcow2 -b base.img -F raw changes.qcow2
      sluice mount vm=disk.img /mnt/s --overlay vm.qcow2`,
    blocks: [{ first: 'sluice overlay commit /mnt/s vm' }],
  },
  'a configuration': {
    before: `
      image web.raw db.img
      qemu-img convert -O qcow2 web.raw web.qcow2
      truncate -s 4M db.img
      echo '2048,,L' | sfdisk -q db.img
      sluice mount --config vm.yaml`,
    blocks: [
      { first: 'sluice reload /mnt/s' },
      { first: 'sluice config check /etc/sluice/vm.yaml' },
    ],
  },
  recipes: {
    isLong: true,
    before: `
      mkdir s fs
      image cache.img
      for name in web mail build db archive golden; do qemu-img create -q -f qcow2 $name.qcow2 1M; done
      for name in disk vm; do qemu-img create -q -f vmdk $name.vmdk 1M; done`,
    blocks: [
      {
        first:
          'sluice mount web.qcow2 mail.qcow2 build.qcow2 s --allow-other --group vms:bps=200M --group vms/gold:weight=400 --group vms/rest:weight=100 --assign web=vms/gold --assign mail=vms/rest --assign build=vms/rest',
        each: 'sluice umount s',
      },
      {
        first:
          'sluice mount db.qcow2 archive.qcow2 s --group db:latency=5ms,weight=200 --group backup:weight=20 --assign db=db --assign archive=backup',
      },
      {
        first:
          'sluice mount cache.img s --allow-other --group jobs:bps=100M --group jobs/all --assign cgroup:/jobs=jobs/all',
        before: 'sluice umount s',
      },
      {
        first: 'sluice mount cache.img s --group /:bps=50M -- sha256sum s/cache.raw',
        before: 'sluice umount s',
      },
      { first: 'sha256sum disk.vmdk' },
      { first: 'umount fs' },
      { first: 'for n in 01 02 03; do' },
      { first: 'sluice umount lab01 && rm student01.qcow2' },
      {
        first: 'truncate -s 1G a.img && truncate -s 1G b.img',
        before: 'sluice umount lab01; sluice umount lab02; sluice umount lab03',
      },
      { first: 'sluice mount vm.vmdk s --read-only' },
    ],
  },
};

/** What stands in the place of a part of a line: paths that are not ours, and times that would be too long. */
export const REPLACED: readonly (readonly [part: string, by: string])[] = [
  ['/etc/sluice/', '/srv/'],
  ['--runtime=10', '--runtime=2'],
  ['--runtime=5', '--runtime=2'],
  ['sleep 2;', 'sleep 0.5;'],
  ['sleep 3', 'sleep 0.5'],
  ['--batch 60', '--batch 1'],
  ['4242', '"$(sed -n "s/^pid //p" /mnt/s/.groups/daemon)"'],
  // Until Ctrl-C.
  ['sluice stat /mnt/s slow --watch', 'stopped timeout -s INT 1 sluice stat /mnt/s slow --watch'],
  ['sluice stat s db --watch', 'stopped timeout -s INT 1 sluice stat s db --watch'],
  ['sluice top s --once', 'sluice top s --once > top.txt; test -s top.txt'],
];

/** Lines of the blocks above that a test does not run, with the reason. */
export const LINES_NOT_RUN: Readonly<Record<string, string>> = {
  'sluice mount /dev/vdb /mnt/s --read-only': 'needs a block device that is free',
  'sluice info /dev/vda --json': 'needs a block device',
  'mount -o loop s/db.p1.raw fs': 'needs a loop device',
  'mount -o ro,noload,loop s/disk.p1.raw fs': 'needs a loop device',
  'mount -o ro,loop s/vm.p1.raw fs': 'needs a loop device',
  'cp fs/etc/hostname .': 'the same',
  'umount fs': 'the same',
  'sluice top /mnt/s': 'draws on a terminal: test/cli/top',
};

/** First lines of blocks that a test does not run, with the reason. */
export const NOT_RUN: Readonly<Record<string, string>> = {
  'sluice mount fast=disk.img slow.img /mnt/s --growable --passthrough fast':
    'needs Linux 6.9: test/mount/passthrough.test.ts',
  'sluice mount vm.qcow2 /mnt/s, mount -o ro,loop /mnt/s/vm.p1.raw /mnt/fs':
    'needs a loop device: test/mount/partitions.test.ts',
  'truncate -s 1G disk.img && mkfs.ext4 -q disk.img':
    'needs a loop device and SQLite: test/mount/faults.test.ts has flushes that fail',
  'xz -dc disk.img.xz | xz -T0 --block-size=1MiB > disk.img.blocks.xz':
    'needs a packed image: test/image/packed/format.test.ts',
  'sluice mount disk.img /mnt/s --metrics 127.0.0.1:9464':
    'the port may be taken: test/mount/metrics.test.ts',
  "curl 'http://127.0.0.1:9464/metrics?callers=1'": 'the same',
  'nbdkit -U /tmp/web.sock ssh host=server /srv/web.img':
    'needs another host: test/mount/nbd.test.ts',
  "sluice attach /mnt/s 'web=nbd+unix:///?socket=/tmp/web.sock'":
    'needs a server: test/mount/nbd.test.ts',
  'sluice mount web=nbd://server/web /mnt/s --cache-file /var/cache/web':
    'needs another host: test/mount/nbd-cache.test.ts',
  "sluice mount 'nbds://server/web?tls-certificates=/etc/pki/nbd' /mnt/s":
    'needs another host: test/mount/nbd.test.ts',
  'sluice mount web.qcow2 /mnt/s --assign web=gold':
    'needs a store: test/mount/shared-groups.test.ts',
  'qemu-system-x86_64 -m 1G': 'needs a guest',
  'sluice restart /mnt/s': 'needs Linux 6.9: test/mount/restart.test.ts',
  'systemctl daemon-reload': 'needs systemd as the first process: test/mount/service.test.ts',
  'echo Y > /sys/module/fuse/parameters/enable_uring': 'changes the kernel for everybody',
};

/** First words of lines that are commands. `make` and `node` are for developers: that they exist is checked. */
export const PROGRAMS: readonly string[] =
  'sluice truncate mkdir cd curl qemu-img qemu-system-x86_64 nbdkit xz systemctl echo mount umount sha256sum for'.split(
    ' ',
  );

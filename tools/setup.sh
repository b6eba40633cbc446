#!/bin/sh
# Makes this machine ready to build, test and measure. Installs only what is missing, and announces
# every step that changes something. `setup.sh modules` leaves out the packages of the system.
set -eu

need_node() {
  if ! command -v node >/dev/null 2>&1; then
    echo 'setup: Node.js is missing; install version 20.19 or later from https://nodejs.org' >&2
    exit 1
  fi
  version=$(node -p 'process.versions.node')
  if ! node -e 'const [a, b] = process.versions.node.split(".").map(Number);
                process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'; then
    echo "setup: Node.js $version is too old; install 20.19 or later from https://nodejs.org" >&2
    exit 1
  fi
}

# Prints the packages whose programs are missing. Searches sbin too, which is not in the PATH of
# every user.
missing_packages() {
  PATH="$PATH:/usr/sbin:/sbin"
  while read -r package program; do
    command -v "$program" >/dev/null 2>&1 || echo "$package"
  done <<LIST
fuse3 fusermount3
fio fio
qemu-utils qemu-img
qemu-system-common qemu-storage-daemon
nbdkit nbdkit
libnbd-bin nbdfuse
xmount xmount
e2fsprogs mkfs.ext4
xfsprogs mkfs.xfs
util-linux losetup
fdisk sfdisk
gdisk sgdisk
parted parted
procps ps
openssl openssl
prometheus promtool
redis-server redis-server
xz-utils xz
tmux tmux
mandoc mandoc
man-db man
sqlite3 sqlite3
zsh zsh
fish fish
LIST
}

install_packages() {
  packages=$(missing_packages | sort -u | tr '\n' ' ' | sed 's/ $//')
  [ -n "$packages" ] || return 0
  if ! command -v apt-get >/dev/null 2>&1; then
    echo "setup: these are missing, and there is no apt-get here to install them: $packages" >&2
    echo 'setup: tests and measurements that need them are skipped' >&2
    return 0
  fi
  if [ "$(id -u)" -eq 0 ]; then
    as_root=
  elif command -v sudo >/dev/null 2>&1; then
    as_root=sudo
  else
    echo "setup: these are missing; ask an administrator for: apt-get install $packages" >&2
    echo 'setup: tests and measurements that need them are skipped' >&2
    return 0
  fi
  echo "setup: installing packages of the system: $packages"
  # The list of packages is updated only if apt-get does not find them. Words are split on purpose;
  # env, because sudo drops variables.
  # shellcheck disable=SC2086
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $packages ||
    { $as_root apt-get update &&
      $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $packages; } ||
    echo "setup: not all of these could be installed: $packages; what needs them is skipped" >&2
}

install_modules() {
  stamp=node_modules/.sluice-setup
  if [ -f "$stamp" ] && cmp -s package-lock.json "$stamp"; then
    return 0
  fi
  echo 'setup: installing npm modules (npm install)'
  # Not npm ci, which refuses a lock file that does not list the optional packages of every platform.
  # npm install uses the versions of the lock file too and does not change it. Install scripts are not
  # needed: koffi and fuse-native contain binaries.
  npm install --no-save --ignore-scripts
  cp package-lock.json "$stamp"
}

cd "$(dirname "$0")/.."
need_node
# At the same time: on a fresh machine the packages take 15 s and the modules 6 s.
install_modules &
modules=$!
[ "${1:-}" = modules ] || install_packages
wait "$modules"

#!/bin/sh
# Installs the built program under a folder PREFIX, below DESTDIR, or removes it again. Copies only
# what is needed at run time: the program, and the code of the npm modules with the binaries for this
# system; and beside it the manual pages, the unit for systemd, completion for
# shells and the schema of configuration files.
# Does not use the network.
set -eu

usage='usage: tools/install.sh install|uninstall PREFIX [DESTDIR]'
action=${1:?$usage}
prefix=${2:?$usage}
folder=${3:-}$prefix
library=$folder/lib/sluicefs
programs='sluice=main mount.fuse.sluice=mount-helper'
# The files outside the library, as paths below the folder.
manifest=$library/installed
# mount(8) looks for helpers in /sbin only. Who may not write there cannot mount by /etc/fstab either.
sbin=${3:-}/sbin
helper=$prefix/bin/mount.fuse.sluice
# Code that Node.js has compiled for root; see src/server/compile-cache.ts.
cache=${3:-}/var/cache/sluice

# The npm modules needed at run time, as paths below this folder.
modules() {
  npm ls --all --omit=dev --parseable | sed -n "s|^$PWD/||p" | while read -r module; do
    case $module in
    *-darwin) ;;
    *-linux-arm) [ "$arch" != arm ] || echo "$module" ;;
    *) echo "$module" ;;
    esac
  done
}

# The files needed at run time.
files() {
  arch=$(node -p process.arch)
  other=$(node -p 'process.report.getReport().header.glibcVersionRuntime ? "musl" : "linux"')
  echo package.json
  echo LICENSE
  find dist -type f ! -path 'dist/man/*'
  modules | while read -r module; do
    find "$module" \( -name node_modules -o -name test -o -name doc -o -name example -o -name vendor \) -prune \
      -o -path '*/prebuilds/*' ! -path "*/prebuilds/linux-$arch*" -prune \
      -o -path "*/${other}_$arch" -prune \
      -o -type f ! -name 'electron.*' ! -name 'example.js' \( -name '*.js' -o -name '*.cjs' -o -name '*.mjs' \
      -o -name '*.json' -o -name '*.wasm' -o -name '*.node' -o -name '*.so' -o -name '*.so.*' \
      -o -iname 'licen[cs]e*' \) -print
  done
}

# Copies a file to a path below the folder, and notes it.
place() {
  mkdir -p "$(dirname "$folder/$2")"
  cp "$1" "$folder/$2"
  chmod 644 "$folder/$2"
  echo "$2" >>"$manifest"
}

place_all() {
  : >"$manifest"
  for page in dist/man/*; do
    place "$page" "share/man/man${page##*.}/${page##*/}"
  done
  place docs/sluice@.service lib/systemd/system/sluice@.service
  for path in bash=share/bash-completion/completions/sluice zsh=share/zsh/site-functions/_sluice \
    fish=share/fish/vendor_completions.d/sluice.fish; do
    node dist/cli/main.js completion "${path%%=*}" >"$library/completion"
    place "$library/completion" "${path#*=}"
  done
  rm "$library/completion"
  place docs/config.schema.json share/sluicefs/config.schema.json
}

remove() {
  if [ -f "$manifest" ]; then
    while read -r path; do rm -f "$folder/$path"; done <"$manifest"
    rmdir "$folder/share/sluicefs" 2>/dev/null || true
  fi
  rm -rf "$library"
  # That of root stays when another user installs for himself.
  rm -rf "$cache" 2>/dev/null || true
  if [ "$(readlink "$sbin/mount.fuse.sluice")" = "$helper" ]; then rm "$sbin/mount.fuse.sluice"; fi
  for program in $programs; do
    command=$folder/bin/${program%=*}
    # Another program of this name is kept.
    if [ "$(readlink "$command")" = "$(target "$program")" ]; then rm "$command"; fi
  done
}

link_helper() {
  [ -z "${3:-}" ] || mkdir -p "$sbin"
  link=$sbin/mount.fuse.sluice
  # Another program of this name is kept.
  if [ ! -w "$sbin" ] || [ -e "$link" ] || [ -L "$link" ]; then return 0; fi
  ln -s "$helper" "$link"
}

# What the command of a program NAME=FILE is a link to.
target() {
  echo "../lib/sluicefs/dist/cli/${1#*=}.js"
}

case $action in
install)
  cd "$(dirname "$0")/.."
  remove
  mkdir -p "$library" "$folder/bin"
  files | tar -cf - -T - | tar -C "$library" --no-same-owner -xf -
  chmod -R u=rwX,go=rX "$library"
  for program in $programs; do
    ln -s "$(target "$program")" "$folder/bin/${program%=*}"
  done
  place_all
  link_helper "$@"
  ;;
uninstall) remove ;;
*)
  echo "$usage" >&2
  exit 2
  ;;
esac

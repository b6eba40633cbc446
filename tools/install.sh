#!/bin/sh
# Installs the built program under a folder (PREFIX, below DESTDIR), or removes it again. Copies only
# what is needed at run time: the program, and the code of the npm modules with the binaries for this
# system. Does not use the network.
set -eu

usage='usage: tools/install.sh install|uninstall FOLDER'
action=${1:?$usage}
folder=${2:?$usage}
library=$folder/lib/sluicefs
programs='sluice=main mount.fuse.sluice=mount-helper'

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
  find dist -type f
  modules | while read -r module; do
    find "$module" \( -name node_modules -o -name test -o -name doc -o -name example -o -name vendor \) -prune \
      -o -path '*/prebuilds/*' ! -path "*/prebuilds/linux-$arch*" -prune \
      -o -path "*/${other}_$arch" -prune \
      -o -type f ! -name 'electron.*' ! -name 'example.js' \( -name '*.js' -o -name '*.cjs' -o -name '*.mjs' \
      -o -name '*.json' -o -name '*.wasm' -o -name '*.node' -o -name '*.so' -o -name '*.so.*' \
      -o -iname 'licen[cs]e*' \) -print
  done
}

remove() {
  rm -rf "$library"
  for program in $programs; do
    command=$folder/bin/${program%=*}
    # Another program of this name is kept.
    if [ "$(readlink "$command")" = "$(target "$program")" ]; then rm "$command"; fi
  done
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
  ;;
uninstall) remove ;;
*)
  echo "$usage" >&2
  exit 2
  ;;
esac

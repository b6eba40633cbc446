/**
 * Words for unshare(1): runs a program in a mount namespace of its own. Such a namespace begins with a copy of
 * every mount. The mounts of other tests must not live on in it: their daemons would, and a loop device that a file system of
 * theirs uses stays attached.
 *
 * @param kept A mount that stays.
 */
export function ownNamespace(words: readonly string[], kept = ''): string[] {
  const others = `awk -v kept="$0" '($2 ~ /sluice-(test|tool|torture)-/ || $3 == "fuse.sluice") && $2 != kept { print $2 }' /proc/mounts`;
  const script = `${others} | xargs -r umount -l; exec "$@"`;
  return ['--mount', '--propagation', 'private', 'sh', '-c', script, kept, ...words];
}

// Two labs over one image, with a limit for both, that leave nothing behind: node labs.mjs IMAGE MOUNTPOINT
import { connect, mount } from 'sluicefs';

const [image, mountpoint] = process.argv.slice(2);

const lab = (name) => ({ path: image, name, overlay: 'discard', assign: { [name]: 'labs' } });
const labs = await mount(lab('one'), {
  mountpoint,
  groups: { labs: { iops: 1000, bps: '20M' } },
});
for (const warning of labs.warnings) console.warn(warning);
try {
  await labs.attach(lab('two'));
  await labs.set('labs', { bps: '50M' });

  // Every program of this user reaches the mount by its directory.
  const same = await connect(mountpoint);
  for (const { name, size } of await same.images()) console.log(`${name}.raw: ${size} bytes`);
  const [group] = (await same.stat('labs')).groups;
  console.log(`${group.path}: at most ${group.limits.bps} bytes a second`);
  try {
    await same.detach('three');
  } catch (error) {
    console.log(`${error.code}: ${error.message} (${error.hint})`);
  }
} finally {
  await labs.umount();
}

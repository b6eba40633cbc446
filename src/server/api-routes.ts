import { parseFaults } from '../control/faults.js';
import type { FigureReader } from '../control/figures.js';
import { namedGroup, unknownGroup } from '../control/group-name.js';
import { groupJson, parseSettings, type SettingsJson, settingsJson } from '../control/json.js';
import type { GroupOrder, GroupOutcome, Shown } from '../plane/group-orders.js';
import type { GoneEntry } from '../tree/control-tree.js';
import { EXIT_FAILED, fromRecord, refuse, SluiceError } from '../util/errors.js';
import { readVersion } from '../util/version.js';
import { type AttachRequest, type BodyName, schemas } from './api-schema.js';
import { orderOfRequest } from './attach-request.js';
import { callerJson, untold } from './caller-json.js';
import type { Caller } from './caller-names.js';
import type { ImageConfig, MountConfig, OverlayAction } from './config.js';
import type { HandedOver, KeeperState } from './hand-over.js';
import type { ImageOrders } from './image-orders.js';
import { savedConfig } from './save-config.js';

/** A mount, as far as requests over its socket reach. */
export interface ApiMount {
  readonly mountpoint: string;
  readonly transport: string;
  readonly figures: FigureReader;
  readonly images: Pick<ImageOrders, 'obey' | 'asked'>;
  readonly config: MountConfig;
  /** Who makes the requests. Looks into /proc. */
  callers(): readonly Caller[];
  /** See `PlaneRunner.order`. */
  order(order: GroupOrder): Promise<GroupOutcome>;
  /** Tells the kernel that entries of directories are gone. */
  forget(entries: readonly GoneEntry[]): Promise<void>;
  /** Lets a new process go on with the mount. @throws SluiceError if it cannot */
  restart(): Promise<HandedOver>;
  /** See HandOver. */
  keeperState(): KeeperState;
  /** The mount is there, and no end has been asked for. */
  isServing(): boolean;
  /** It is being made, or made again after a death, and serves in a moment. */
  isStarting(): boolean;
}

/** A request over the socket. */
export interface ApiCall {
  /** What stands for `*` in the path of its route, decoded. */
  readonly rest: string;
  readonly query: URLSearchParams;
  /** Checked by the schema of its route. */
  readonly body: unknown;
}

/** One method of one path. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** `*` at the end is a name, percent-encoded where it has special characters. */
  readonly path: string;
  /** The schema of its body; null: it has none. */
  readonly body: BodyName | null;
  /** @throws SluiceError */
  answer(mount: ApiMount, call: ApiCall): object | Promise<object>;
}

/** Every route is a line here: docs/api.md has each, and a test looks. */
export const ROUTES: readonly Route[] = [
  { method: 'GET', path: '/v1/mount', body: null, answer: about },
  { method: 'GET', path: '/v1/stat', body: null, answer: stat },
  { method: 'GET', path: '/v1/live', body: null, answer: live },
  { method: 'GET', path: '/v1/callers', body: null, answer: listCallers },
  { method: 'GET', path: '/v1/groups', body: null, answer: listGroups },
  { method: 'PUT', path: '/v1/groups/*', body: 'settings', answer: makeGroup },
  { method: 'PATCH', path: '/v1/groups/*', body: 'settings', answer: changeGroup },
  { method: 'DELETE', path: '/v1/groups/*', body: null, answer: removeGroup },
  { method: 'GET', path: '/v1/images', body: null, answer: listImages },
  { method: 'POST', path: '/v1/images', body: 'attach', answer: attach },
  { method: 'PATCH', path: '/v1/images/*', body: 'resize', answer: resize },
  { method: 'DELETE', path: '/v1/images/*', body: null, answer: detach },
  { method: 'PUT', path: '/v1/faults/*', body: 'faults', answer: setFaults },
  { method: 'POST', path: '/v1/overlays/*', body: 'overlay', answer: changeOverlay },
  { method: 'GET', path: '/v1/partitions', body: null, answer: listPartitions },
  { method: 'GET', path: '/v1/config', body: null, answer: config },
  { method: 'POST', path: '/v1/reload', body: null, answer: reload },
  { method: 'POST', path: '/v1/restart', body: null, answer: (mount) => mount.restart() },
  { method: 'GET', path: '/v1/schema', body: null, answer: schemas },
];

/** The process and the mount. `requests` counts since the mount, up to `timeMs`. */
function about({ mountpoint, transport, figures, keeperState }: ApiMount): object {
  const now = performance.now();
  const [root] = figures.groups();
  const { rios = 0, wios = 0, dios = 0 } = root?.total ?? {};
  return {
    ...{ mountpoint, pid: process.pid, version: readVersion(), transport },
    keeper: keeperState(),
    ageSeconds: Math.round(now / 1000),
    timeMs: Math.round(performance.timeOrigin + now),
    requests: rios + wios + dios,
  };
}

async function stat(mount: ApiMount, { query }: ApiCall): Promise<object> {
  const asked = query.get('group');
  const group = asked === null ? null : knownGroup(mount, asked);
  const { images, mount: settings } = await shown(mount);
  const groups = mount.figures
    .states(group)
    .map((state) => groupJson(state.path === '' ? { ...state, mount: settings } : state));
  return { ...head(mount), images, groups };
}

function head({ mountpoint, transport }: ApiMount): object {
  const daemon = { pid: process.pid, version: readVersion(), transport };
  return { time: new Date().toISOString(), mountpoint, daemon };
}

/** As `stat`, for those who ask every second. */
async function live(mount: ApiMount, { query }: ApiCall): Promise<object> {
  const { figures } = mount;
  const wantsImages = query.get('images') === '1';
  const { images, mount: settings } = await shown(mount, wantsImages ? 'show' : 'show-mount');
  // Another daemon may have the socket of the one that was asked before.
  const edition = `${process.pid}-${figures.edition}`;
  const named = query.get('edition') === edition ? null : figures.named();
  const groups = { edition, named, busy: figures.busy(), mount: settings };
  const faulty = mount.images.asked.filter(hasFaults).map(({ name }) => name);
  return { ...head(mount), images: wantsImages ? images : null, faulty, ...groups };
}

const hasFaults = ({ faults }: ImageConfig): boolean =>
  faults !== undefined && parseFaults(faults) !== null;

function listCallers(mount: ApiMount): object {
  if (mount.transport === 'fuse-native') throw untold(mount.mountpoint);
  const { mountpoint } = mount;
  return { time: new Date().toISOString(), mountpoint, callers: mount.callers().map(callerJson) };
}

/** The groups with what is set in them, as PUT takes it. */
async function listGroups(mount: ApiMount): Promise<object> {
  const { mount: ofRoot } = await shown(mount);
  const groups = [...mount.figures.observations()].map(({ path, settings, members }) => {
    const { depth, cost } = ofRoot;
    const all = settingsJson(path === '' ? { ...settings, depth, cost } : settings);
    return { path: path || '/', settings: all, members: members.map(({ name }) => name) };
  });
  return { groups };
}

function makeGroup(mount: ApiMount, { rest, body }: ApiCall): Promise<object> {
  const group = namedGroup(rest);
  const changes = parseSettings(body as SettingsJson, group === '');
  return orderGroup(mount, { kind: 'change', group, create: group !== '', changes });
}

function changeGroup(mount: ApiMount, { rest, body }: ApiCall): Promise<object> {
  const group = knownGroup(mount, rest);
  const changes = parseSettings(body as SettingsJson, group === '');
  return orderGroup(mount, { kind: 'change', group, create: false, changes });
}

function removeGroup(mount: ApiMount, { rest }: ApiCall): Promise<object> {
  return orderGroup(mount, { kind: 'remove', group: knownGroup(mount, rest) });
}

async function orderGroup(mount: ApiMount, order: GroupOrder): Promise<object> {
  if (!mount.isServing()) throw new SluiceError('the mount is ending', 'ESHUTDOWN', EXIT_FAILED);
  const { error, gone } = await mount.order(order);
  if (error !== null) throw fromRecord(error);
  await mount.forget(gone);
  return {};
}

async function listImages(mount: ApiMount): Promise<object> {
  return { images: (await shown(mount)).images };
}

async function listPartitions(mount: ApiMount): Promise<object> {
  return { partitions: (await shown(mount)).partitions };
}

async function attach(mount: ApiMount, { body }: ApiCall): Promise<object> {
  const order = orderOfRequest(body as AttachRequest);
  const warnings: string[] = [];
  const image = await mount.images.obey(order, (warning) => warnings.push(warning));
  return { image, warnings };
}

async function resize(mount: ApiMount, { rest: name, body }: ApiCall): Promise<object> {
  const { size } = body as { size: number | null };
  return { image: await mount.images.obey({ kind: 'resize', name, size }, () => {}) };
}

async function setFaults(mount: ApiMount, { rest: name, body }: ApiCall): Promise<object> {
  const { faults } = body as { faults: string };
  return { image: await mount.images.obey({ kind: 'faults', name, faults }, () => {}) };
}

async function detach(mount: ApiMount, { rest: name, query }: ApiCall): Promise<object> {
  const force = query.get('force') === 'true';
  await mount.images.obey({ kind: 'detach', name, force }, () => {});
  return {};
}

async function changeOverlay(mount: ApiMount, { rest: name, body }: ApiCall): Promise<object> {
  const { action } = body as { action: OverlayAction };
  const warnings: string[] = [];
  const order = { kind: 'overlay', name, action } as const;
  const image = await mount.images.obey(order, (text) => warnings.push(text));
  return { image, warnings };
}

async function config(mount: ApiMount): Promise<object> {
  const { mount: ofRoot, partitions } = await shown(mount);
  const { depth, cost } = ofRoot;
  const groups = [...mount.figures.observations()];
  const names = partitions.map(({ name }) => name);
  return savedConfig(mount.config, mount.images.asked, names, groups, { depth, cost });
}

async function reload(mount: ApiMount): Promise<object> {
  const warnings: string[] = [];
  await mount.images.obey({ kind: 'reload' }, (warning) => warnings.push(warning));
  return { warnings };
}

async function shown(mount: ApiMount, kind: 'show' | 'show-mount' = 'show'): Promise<Shown> {
  return (await mount.order({ kind })).shown!;
}

/** The path of a group that is there. Throws EINVAL, ENOENT. */
function knownGroup({ figures }: ApiMount, asked: string): string {
  const group = namedGroup(asked);
  const { paths } = figures;
  if (paths.includes(group)) return group;
  throw unknownGroup(asked, beside(group, paths), '');
}

/** Groups to name where one is not there: those beside it, as far down as there are any. */
function beside(group: string, paths: readonly string[]): string[] {
  for (let parent = group; parent !== ''; ) {
    parent = parent.slice(0, Math.max(0, parent.lastIndexOf('/')));
    const prefix = parent === '' ? '' : `${parent}/`;
    const found = paths.filter((path) => {
      return path !== '' && path.startsWith(prefix) && !path.slice(prefix.length).includes('/');
    });
    if (parent === '') return ['', ...found];
    if (found.length > 0) return found;
  }
  return [];
}

/** The route of a request, and what its path says. Throws ENOENT, ENOTSUP (another method). */
export function routeOf(method: string, path: string): { route: Route; rest: string } {
  const there = ROUTES.filter(({ path: pattern }) => {
    if (!pattern.endsWith('*')) return pattern === path;
    return path.startsWith(pattern.slice(0, -1)) && path.length >= pattern.length;
  });
  if (there.length === 0) {
    const known = [...new Set(ROUTES.map((one) => one.path))].join(', ');
    throw refuse(`${path}: there is no such path; paths: ${known}`, 'ENOENT');
  }
  const route = there.find((one) => one.method === method);
  if (route === undefined) {
    const methods = there.map((one) => one.method).join(', ');
    throw refuse(`${method} ${path}: not a method of this path; methods: ${methods}`, 'ENOTSUP');
  }
  if (!route.path.endsWith('*')) return { route, rest: '' };
  try {
    return { route, rest: decodeURIComponent(path.slice(route.path.length - 1)) };
  } catch {
    throw refuse(`${path}: broken percent-encoding; encode the name as UTF-8`);
  }
}

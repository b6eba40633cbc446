import test from 'ava';
import { parseStoreUrl, storeKey } from '../../src/lease/address.js';

test('a server, with and without a port', (t) => {
  t.deepEqual(parseStoreUrl('valkey://10.0.0.5/gold'), {
    ...{ url: 'valkey://10.0.0.5/gold', kind: 'server', hasTls: false, socket: null, master: '' },
    ...{ nodes: [{ host: '10.0.0.5', port: 6379 }], user: null, passwordFile: null, caFile: null },
    key: 'sluice:{gold}',
  });
  t.deepEqual(parseStoreUrl('redis://db.example:7000/a/b').nodes, [
    { host: 'db.example', port: 7000 },
  ]);
  t.deepEqual(parseStoreUrl('valkey://[fe80::1]:7000/g').nodes, [{ host: 'fe80::1', port: 7000 }]);
});

test('TLS, a user, and files', (t) => {
  const url = 'valkeys://sluice@h/g?password-file=/etc/sluice/pw&ca-file=/etc/ca%20x.pem';
  t.like(parseStoreUrl(url), {
    ...{ hasTls: true, user: 'sluice', passwordFile: '/etc/sluice/pw', caFile: '/etc/ca x.pem' },
  });
});

test('a Unix socket, a cluster, Sentinel', (t) => {
  t.like(parseStoreUrl('valkey+unix:///g?socket=/run/v.sock'), {
    socket: '/run/v.sock',
    nodes: [],
  });
  t.like(parseStoreUrl('valkey+cluster://a;b:7001/g'), {
    kind: 'cluster',
    nodes: [
      { host: 'a', port: 6379 },
      { host: 'b', port: 7001 },
    ],
  });
  t.like(parseStoreUrl('valkeys+sentinel://a/g?master=main'), {
    ...{ kind: 'sentinel', master: 'main', hasTls: true },
    nodes: [{ host: 'a', port: 26379 }],
  });
});

test('groups of one store have one connection, whatever they are called', (t) => {
  const key = (url: string): string => storeKey(parseStoreUrl(url));
  t.is(key('valkey://h/gold'), key('redis://h:6379/silver'));
  t.not(key('valkey://h/gold'), key('valkeys://h/gold'));
  t.not(key('valkey://h/gold'), key('valkey://h/gold?password-file=/x'));
});

for (const [url, why] of [
  ['http://h/g', /expected valkey:\/\//],
  ['valkey://h', /name the group at the end/],
  ['valkey://h/', /name the group at the end/],
  ['valkey://h/a b', /name the group at the end/],
  ['valkey://h/a?b=1', /there is no "b"/],
  ['valkey://h/a?password-file=pw', /has to begin with a slash/],
  ['valkey://h/a?password-file=/a&password-file=/b', /one value is needed/],
  ['valkey://h:0/a', /there is no port 0/],
  ['valkey://h:70000/a', /there is no port 70000/],
  ['valkey:///a', /"" is no host/],
  ['valkey://h;i/a', /only a cluster or Sentinel/],
  ['valkey://h/a?socket=/s', /go together/],
  ['valkey+unix:///a', /go together/],
  ['valkey+unix://h/a?socket=/s', /a Unix socket has no host/],
  ['valkey+sentinel://h/a', /go together/],
  ['valkey://h/a?ca-file=/c', /goes with valkeys/],
  ['valkey://h/%zz', /two digits/],
] as const) {
  test(`${url} is refused`, (t) => {
    t.throws(() => parseStoreUrl(url), { message: why, name: 'SluiceError' });
  });
}

test('a password in the address is refused, and is not in the message', (t) => {
  const { message } = t.throws(() => parseStoreUrl('valkey://me:geheim@h/g'));
  t.regex(message, /put it into a file/);
  t.notRegex(message, /geheim/);
  for (const url of ['valkey://me:ge/geheim@h/g', 'valkey://h/g?password=geheim']) {
    t.notRegex(t.throws(() => parseStoreUrl(url)).message, /geheim/);
  }
});

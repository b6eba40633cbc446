import test from 'ava';
import { isNbdUri, parseNbdUri } from '../../src/nbd/uri.js';

test('a URI of an export is told from a path', (t) => {
  for (const uri of ['nbd://h', 'nbds://h', 'nbd+unix:///?socket=/s', 'NBD://h', 'nbd+vsock://1']) {
    t.true(isNbdUri(uri), uri);
  }
  for (const path of ['/nbd://h', 'nbd:h', 'nbd', 'disk.img', './nbd://', 'nbd:unix:/s']) {
    t.false(isNbdUri(path), path);
  }
});

test('host, port, export and socket are taken out of a URI', (t) => {
  const of = (uri: string) => {
    const { exportName, socket, host, port, tls } = parseNbdUri(uri);
    return [exportName, socket, host, port, tls];
  };
  t.deepEqual(of('nbd://server'), ['', null, 'server', 10809, null]);
  t.deepEqual(of('nbd://server/'), ['', null, 'server', 10809, null]);
  t.deepEqual(of('nbd://server:99/a%20b'), ['a b', null, 'server', 99, null]);
  t.deepEqual(of('nbd://10.0.0.1//abs/path'), ['/abs/path', null, '10.0.0.1', 10809, null]);
  t.deepEqual(of('nbd://[fe80::1]:1/x'), ['x', null, 'fe80::1', 1, null]);
  t.deepEqual(of('nbd:///x'), ['x', null, 'localhost', 10809, null]);
  t.deepEqual(of('nbd+unix:///d?socket=/run/a+b%3F.sock'), ['d', '/run/a+b?.sock', '', 0, null]);
  t.deepEqual(of('nbd+unix://?socket=/s'), ['', '/s', '', 0, null]);
});

test('nbds has the name of the host, unless the URI says otherwise', (t) => {
  t.deepEqual(parseNbdUri('nbds://h/x').tls, { certificates: null, hostname: 'h' });
  const uri = 'nbds+unix:///x?socket=/s&tls-certificates=/etc/pki&tls-hostname=a.b';
  t.deepEqual(parseNbdUri(uri).tls, { certificates: '/etc/pki', hostname: 'a.b' });
});

const REFUSED: [string, RegExp][] = [
  ['nbd+vsock://1/x', /"nbd\+vsock:\/\/" is not known/],
  ['nbd://a:b:c/x', /is not HOST, HOST:PORT/],
  ['nbd://h:0/x', /port 0 is not between/],
  ['nbd://h:65536/x', /port 65536 is not between/],
  ['nbd://h/x?socket=/s', /goes with nbd\+unix/],
  ['nbd+unix:///x', /socket=PATH/],
  ['nbd+unix:///x?socket=relative', /absolute path/],
  ['nbd+unix://h/x?socket=/s', /three slashes/],
  [`nbd+unix:///x?socket=/${'s'.repeat(107)}`, /at most 107 bytes/],
  ['nbd://h/%zz', /"%" without two digits/],
  ['nbd://h/x#y', /%23/],
  ['nbd://h/x?tls-certificates=/c', /go with nbds/],
  ['nbds://h/x?tls-certificates=c', /must be absolute/],
  ['nbd+unix:///x?socket=/s&socket=/t', /"socket" is given twice/],
  ['nbds://h/x?tls-psk-file=/f', /"tls-psk-file" is not known/],
  [`nbd://h/${'x'.repeat(4097)}`, /longer than 4096 bytes/],
];

for (const [uri, says] of REFUSED) {
  test(`${uri.slice(0, 50)} is refused`, (t) => {
    t.throws(() => parseNbdUri(uri), { message: says });
  });
}

test('a password is refused and not repeated', (t) => {
  const error = t.throws(() => parseNbdUri('nbds://me:secret@h/x'));
  t.regex(error.message, /^nbds:\/\/h\/x: a user name is not supported/);
});

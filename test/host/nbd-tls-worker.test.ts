import { join } from 'node:path';
import { connect } from '../../src/host/nbd-connect.js';
import { parseNbdUri } from '../../src/nbd/uri.js';
import { close } from '../../src/sys/libc.js';
import { makeCertificates, NbdServer } from '../helpers/nbd-server.js';
import { requires } from '../helpers/requires.js';
import { tempFolder } from '../helpers/temp.js';

requires('nbdkit', 'openssl')(
  'TLS takes servers whose certificate is right, and says why not',
  (t) => {
    const folder = tempFolder(t);
    makeCertificates(folder);
    const words = ['--tls=require', `--tls-certificates=${folder}`, 'memory', '1M'];
    const server = NbdServer.nbdkit(t, ...words);
    const secure = server.uri.replace('nbd+', 'nbds+');
    const open = (uri: string) => connect(parseNbdUri(uri), 60_000);
    const { descriptor, agreed } = open(`${secure}&tls-certificates=${folder}`);
    t.is(agreed.size, 1 << 20);
    close(descriptor);
    t.throws(() => open(server.uri), { message: /the server wants TLS; use nbds:/ });
    t.throws(() => open(secure), { message: /TLS: .*certificate/ });
    const other = `${secure}&tls-certificates=${folder}&tls-hostname=elsewhere`;
    t.throws(() => open(other), { message: /TLS: .*elsewhere/ });
    const nowhere = join(folder, 'none');
    const says = /TLS: .*none: there is neither ca-cert\.pem nor client-cert\.pem/;
    t.throws(() => open(`${secure}&tls-certificates=${nowhere}`), { message: says });
    const plain = NbdServer.nbdkit(t, 'memory', '1M');
    const plainUri = plain.uri.replace('nbd+', 'nbds+');
    t.throws(() => open(plainUri), { message: /the server offers no TLS/ });
  },
);

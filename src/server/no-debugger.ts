import inspector from 'node:inspector';

// Imported before anything else. Node.js answers SIGUSR1 with a debugger on a TCP port of 127.0.0.1: with a
// daemon of root that is code as root for every local user. With a handler of our own the signal opens
// no port; a port that was opened before this line is closed.
process.on('SIGUSR1', () => {});
inspector.close();

// Imported before anything else. Node.js answers SIGUSR1 with a debugger on a TCP port of 127.0.0.1: with a
// daemon of root that is code as root for every local user. With a handler of our own the signal opens
// no port. A port that was opened before this line is closed by `runDaemon`: other commands end at once, and
// the module that closes it takes 3 ms to load.
process.on('SIGUSR1', () => {});

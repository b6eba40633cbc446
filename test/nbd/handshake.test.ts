import test from 'ava';
import { type Agreed, greet, type Handshake, negotiate } from '../../src/nbd/handshake.js';
import type { SluiceError } from '../../src/util/errors.js';

const GREETING = '4e42444d41474943' + '49484156454f5054';
const NONE = '';

/** A reply to an option. */
function reply(option: number, type: number, data = NONE): string {
  const word = (value: number) => value.toString(16).padStart(8, '0');
  return `0003e889045565a9${word(option)}${word(type)}${word(data.length / 2)}${data}`;
}

/** Runs a handshake against a server that says `answers`, whatever it is asked. */
function run<T>(
  handshake: Handshake<T>,
  answers: string,
): { result: T; sent: string; rest: number } {
  const bytes = Buffer.from(answers, 'hex');
  let at = 0;
  let sent = '';
  let step = handshake.next();
  while (!step.done) {
    const { send, receive } = step.value;
    if (send !== null) sent += Buffer.from(send).toString('hex');
    if (at + receive > bytes.length) throw new Error(`wants ${receive} bytes at ${at}`);
    at += receive;
    step = handshake.next(bytes.subarray(at - receive, at));
  }
  return { result: step.value, sent, rest: bytes.length - at };
}

const UNSUP = 0x80000001;
const EXPORT = (size: string, flags: string) => reply(7, 3, `0000${size}${flags}`);
const BLOCKS = (min: string, max: string) => reply(7, 3, `0003${min}00001000${max}`);
const ACK = reply(7, 1);
const CONTEXT = reply(10, 4, `00000001${Buffer.from('base:allocation').toString('hex')}`);
const PLAIN = reply(11, UNSUP) + reply(8, UNSUP);
const STRUCTURED = reply(11, UNSUP) + reply(8, 1) + CONTEXT + reply(10, 1);
const MIB = '0000000000100000';

test('the greeting is answered with fixed newstyle and, if offered, no zeroes', (t) => {
  t.is(run(greet('nbd://h', false), `${GREETING}0003`).sent, '00000003');
  t.is(run(greet('nbd://h', false), `${GREETING}0001`).sent, '00000001');
});

test('TLS is started right behind the greeting', (t) => {
  const { sent } = run(greet('nbds://h', true), `${GREETING}0003${reply(5, 1)}`);
  t.is(sent, '00000003' + '49484156454f5054' + '00000005' + '00000000');
  t.throws(() => run(greet('nbds://h', true), `${GREETING}0003${reply(5, 0x80000002)}`), {
    message: 'nbds://h: the server offers no TLS',
  });
});

test('what is no server, or an old one, is refused', (t) => {
  const ssh = Buffer.from('SSH-2.0-OpenSSH_9.2p1').toString('hex');
  t.throws(() => run(greet('nbd://h', false), ssh), { message: /what answers is no NBD server/ });
  const old = '4e42444d4147494300420281861253' + '000000000000';
  t.throws(() => run(greet('nbd://h', false), old), { message: /older protocol/ });
  t.throws(() => run(greet('nbd://h', false), `${GREETING}0000`), { message: /older protocol/ });
});

test('an export is opened with all that the server can do', (t) => {
  const { result, sent } = run(
    negotiate('nbd://h', 'a'),
    reply(11, 1) +
      CONTEXT +
      reply(10, 1) +
      EXPORT(MIB, '016d') +
      BLOCKS('00000200', '02000000') +
      ACK,
  );
  const agreed: Agreed = {
    size: 1 << 20,
    flags: 0x16d,
    structured: true,
    extended: true,
    tellsHoles: true,
    minimumBlock: 512,
    maximumPayload: 32 << 20,
  };
  t.deepEqual(result, agreed);
  const context = '00000001' + '61' + '00000001' + '0000000f' + '626173653a616c6c6f636174696f6e';
  t.is(
    sent,
    '49484156454f5054' +
      '0000000b' +
      '00000000' +
      ('49484156454f5054' + '0000000a' + '0000001c' + context) +
      ('49484156454f5054' + '00000007' + '00000009' + '00000001' + '61' + '0001' + '0003'),
  );
});

test('an export of a server that knows no extensions is opened', (t) => {
  const { result } = run(
    negotiate('nbd://h', ''),
    PLAIN + EXPORT('0000000000000200', '0001') + ACK,
  );
  t.deepEqual(result, {
    size: 512,
    flags: 1,
    structured: false,
    extended: false,
    tellsHoles: false,
    minimumBlock: 1,
    maximumPayload: 32 << 20,
  });
});

test('block status is left out where the server does not know the context', (t) => {
  for (const answer of [
    reply(10, 1),
    reply(10, UNSUP),
    reply(10, 4, '00000001646f67') + reply(10, 1),
  ]) {
    const all = reply(11, UNSUP) + reply(8, 1) + answer + EXPORT(MIB, '0001') + ACK;
    const { result } = run(negotiate('nbd://h', ''), all);
    t.true(result.structured);
    t.false(result.tellsHoles);
  }
});

test('information that was not asked for does not count', (t) => {
  const name = reply(7, 3, '000161') + reply(7, 3, '000262');
  t.is(
    run(negotiate('nbd://h', ''), PLAIN + name + EXPORT(MIB, '0001') + ACK).result.size,
    1 << 20,
  );
});

const REFUSED: [string, string, string, RegExp][] = [
  [
    'a missing export',
    PLAIN + reply(7, 0x80000006, '6e6f'),
    'ENOENT',
    /has no export "x" \(it says: no\)$/,
  ],
  ['a server that wants TLS', reply(11, 0x80000005), 'EPROTO', /use nbds:/],
  ['a server that wants TLS late', PLAIN + reply(7, 0x80000005), 'EPROTO', /use nbds:/],
  ['a server without GO', PLAIN + reply(7, UNSUP), 'EPROTO', /older than 2017/],
  ['another error', PLAIN + reply(7, 0x80000009), 'EPROTO', /refuses with error 9$/],
  [
    'a size above 2^53',
    STRUCTURED + EXPORT('0020000000000000', '0001'),
    'EFBIG',
    /larger than 2\^53/,
  ],
  ['no size at all', STRUCTURED + ACK, 'EPROTO', /does not tell the size/],
  ['a wrong magic', '00'.repeat(20), 'EPROTO', /a reply to no option/],
  ['a reply to another option', reply(3, 1), 'EPROTO', /a reply to no option/],
  [
    'a long reply',
    '0003e889045565a9' + '0000000b' + '00000001' + 'ffffffff',
    'EPROTO',
    /of 4294967295 bytes/,
  ],
  ['a short fact', STRUCTURED + reply(7, 3, '0000'), 'EPROTO', /information of 2 bytes/],
  ['an empty fact', STRUCTURED + reply(7, 3), 'EPROTO', /information of 0 bytes/],
  ['blocks of 3 bytes', STRUCTURED + BLOCKS('00000003', '02000000'), 'EPROTO', /blocks of 3 to/],
  ['blocks of 0 bytes', STRUCTURED + BLOCKS('00000000', '02000000'), 'EPROTO', /blocks of 0 to/],
  [
    'blocks larger than a payload',
    STRUCTURED + BLOCKS('00001000', '00000200'),
    'EPROTO',
    /blocks of 4096 to 512/,
  ],
  [
    'endless facts',
    STRUCTURED + reply(7, 3, '000161').repeat(101),
    'EPROTO',
    /more than 100 replies/,
  ],
  ['endless contexts', reply(11, 1) + CONTEXT.repeat(101), 'EPROTO', /more than 100 replies/],
  ['a reply of no known type', STRUCTURED + reply(7, 99), 'EPROTO', /a reply of type 99/],
];

for (const [what, answers, errno, says] of REFUSED) {
  test(`${what} is refused`, (t) => {
    const error = t.throws(() => run(negotiate('nbd://h', 'x'), answers), { message: says });
    t.is((error as SluiceError).errno, errno);
  });
}

test('words of a server are shown as one line', (t) => {
  const words = Buffer.from('no\x1b[31m\nway').toString('hex');
  t.throws(() => run(negotiate('nbd://h', 'x'), PLAIN + reply(7, 0x80000002, words)), {
    message: 'nbd://h: the server refuses this client (it says: no [31m way)',
  });
});

// llmos without any library: a plain TCP socket that speaks the NATS text protocol.
// Usage: node examples/raw-socket.mjs [host:port]      (default 127.0.0.1:4222)
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';

const [host, port] = (process.argv[2] ?? '127.0.0.1:4222').replace(/^nats:\/\//, '').split(':');
const inbox = `_INBOX.${randomBytes(8).toString('hex')}`;
const waiting = new Map(); // reply subject -> resolve
const events = new Map(); // subject -> callback
let received = Buffer.alloc(0);
let replies = 0;

const socket = connect(Number(port), host);
socket.write('CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n');
socket.write(`SUB ${inbox}.* 1\r\n`);
socket.on('error', (error) => fail(error.message));
socket.on('close', () => process.exitCode ?? fail('the server closed the connection'));
socket.on('data', (bytes) => {
  received = Buffer.concat([received, bytes]);
  while (readOne());
});

/** Takes one protocol line, with its payload, off the bytes received; false where it is not whole. */
function readOne() {
  const end = received.indexOf('\r\n');
  if (end < 0) return false;
  const line = received.toString('utf8', 0, end);
  const [verb, subject, ...rest] = line.split(' ');
  let next = end + 2;
  if (verb === 'MSG' || verb === 'HMSG') {
    const length = Number(rest.at(-1));
    const headerLength = verb === 'HMSG' ? Number(rest.at(-2)) : 0;
    if (received.length < next + length + 2) return false;
    const header = received.toString('utf8', next, next + headerLength);
    const body = received.toString('utf8', next + headerLength, next + length);
    next += length + 2;
    waiting.get(subject)?.({ status: Number(/^NATS\/1\.0 (\d+)/.exec(header)?.[1]), body });
    events.get(subject)?.();
  }
  if (verb === 'PING') socket.write('PONG\r\n');
  if (verb === '-ERR') fail(line);
  received = received.subarray(next);
  return true;
}

/** Publishes with a reply subject of its own and waits for what comes back. */
function request(subject, body, limitMs = 60_000) {
  const reply = `${inbox}.${(replies += 1)}`;
  return new Promise((resolve) => {
    const timer = setTimeout(() => fail(`no answer on ${subject}`), limitMs);
    waiting.set(reply, (answer) => {
      clearTimeout(timer);
      waiting.delete(reply);
      resolve(answer);
    });
    socket.write(`PUB ${subject} ${reply} ${Buffer.byteLength(body)}\r\n${body}\r\n`);
  });
}

/** A result is announced on its subject; what is stored there is the truth. */
async function readResult(task, limitMs = 60_000) {
  const subject = `llmos.v1.result.default.${task}`;
  let wake = () => {};
  events.set(subject, () => wake());
  socket.write(`SUB ${subject} 2\r\n`);
  for (const endMs = Date.now() + limitMs; Date.now() < endMs;) {
    const stored = await request(`$JS.API.DIRECT.GET.LLMOS_RESULTS.${subject}`, '');
    if (stored.status !== 404) return JSON.parse(stored.body);
    await new Promise((resolve) => {
      wake = resolve;
      setTimeout(resolve, 500);
    });
  }
  return fail(`task ${task} has no result`);
}

function fail(reason) {
  console.error(reason);
  process.exit(1);
}

// A task: durable as soon as JetStream has acknowledged it. Without an id of ours, its id is s<seq>.
const input = { model: 'support-intents', text: 'I lost my card, please block it', topK: 3 };
const subject = 'llmos.v1.task.standard.default.classify';
const stored = JSON.parse((await request(subject, JSON.stringify(input))).body);
if (stored.error) fail(stored.error.description);
console.log('stored as', `s${stored.seq}`);
console.log('result', JSON.stringify(await readResult(`s${stored.seq}`)));

// A call: one request, one answer.
const call = { model: 'mini-encoder', text: 'good morning' };
const answer = await request('llmos.v1.call.default.embed', JSON.stringify(call));
if (answer.status === 503) fail('no kernel listens');
console.log('embed', answer.body.slice(0, 120));
process.exitCode = 0;
socket.end();

/** A NATS client of ten lines, for bytes that a proper client refuses to send. */
import { connect } from 'node:net';

export async function rawPublish(of: {
  readonly url: string;
  readonly subject: string;
  /** Of `bytes`, from the start. */
  readonly headerBytes: number;
  readonly bytes: Buffer;
  readonly login?: { readonly user: string; readonly pass: string };
}): Promise<void> {
  const { hostname, port } = new URL(of.url);
  const socket = connect(Number(port), hostname);
  await new Promise<void>((resolve, reject) => {
    let text = '';
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`the server closed the connection: ${text}`)));
    socket.on('data', (part) => {
      text += part.toString();
      if (text.includes('PONG')) resolve();
      if (text.includes('-ERR')) reject(new Error(text));
    });
    // A server that is pedantic complains of some subjects, and takes them all the same.
    const options = { verbose: false, pedantic: false, headers: true, ...of.login };
    socket.write(`CONNECT ${JSON.stringify(options)}\r\n`);
    socket.write(`HPUB ${of.subject} ${of.headerBytes} ${of.bytes.length}\r\n`);
    socket.write(Buffer.concat([of.bytes, Buffer.from('\r\nPING\r\n')]));
  });
  socket.destroy();
}

/** A header block that the server takes and a client's decoder throws on: a name with a space. */
const MALFORMED = 'NATS/1.0\r\nbad name: x\r\nLlmos-Timeout-Ms: 60000\r\n';
/** No stream takes it; subscribers see it all the same. */
const REFUSED = 'Nats-Expected-Last-Subject-Sequence: 999999\r\n';

/** Publishes a message with malformed headers. */
export async function publishUnreadable(of: {
  readonly url: string;
  readonly subject: string;
  readonly reply?: string;
  readonly body?: string;
  readonly isRefused?: boolean;
  readonly login?: { readonly user: string; readonly pass: string };
}): Promise<void> {
  const headers = Buffer.from(`${MALFORMED}${of.isRefused === true ? REFUSED : ''}\r\n`);
  await rawPublish({
    url: of.url,
    ...(of.login === undefined ? {} : { login: of.login }),
    subject: of.reply === undefined ? of.subject : `${of.subject} ${of.reply}`,
    headerBytes: headers.length,
    bytes: Buffer.concat([headers, Buffer.from(of.body ?? '{}')]),
  });
}

/** Header blocks that none of our programs writes, by what is odd about them. */
export const ODD_HEADERS = {
  'a name with a space': `${MALFORMED}\r\n`,
  'no header at all': 'garbage\r\n\r\n',
  'a line without a colon': 'NATS/1.0\r\nnothing\r\n\r\n',
  'a status that is no number': 'NATS/1.0 x503 ?\r\n\r\n',
  'a repeated name': 'NATS/1.0\r\nLlmos-Key: a\r\nLlmos-Key: b\r\n\r\n',
  'more than a request may have': `NATS/1.0\r\nX: ${'x'.repeat(64 * 1024)}\r\n\r\n`,
  'more than is read': `NATS/1.0\r\nX: ${'x'.repeat(160 * 1024)}\r\n\r\n`,
} as const;

/** Publishes the same body under each of them, in their order. */
export async function publishOddHeaders(of: {
  readonly url: string;
  readonly subject: string;
  readonly body: Uint8Array;
}): Promise<void> {
  for (const block of Object.values(ODD_HEADERS)) {
    const bytes = Buffer.concat([Buffer.from(block), of.body]);
    await rawPublish({ url: of.url, subject: of.subject, headerBytes: block.length, bytes });
  }
}

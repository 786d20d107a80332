/** A NATS client of ten lines, for bytes that a proper client refuses to send. */
import { connect } from 'node:net';

export async function rawPublish(of: {
  readonly url: string;
  readonly subject: string;
  /** Of `bytes`, from the start. */
  readonly headerBytes: number;
  readonly bytes: Buffer;
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
    socket.write('CONNECT {"verbose":false,"headers":true}\r\n');
    socket.write(`HPUB ${of.subject} ${of.headerBytes} ${of.bytes.length}\r\n`);
    socket.write(Buffer.concat([of.bytes, Buffer.from('\r\nPING\r\n')]));
  });
  socket.destroy();
}

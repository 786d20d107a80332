/** A program with nothing but a TCP socket is a first-class client. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { repositoryFolder } from '../support/shared-folder';
import type { TestSystem } from '../support/test-system';
import { startTestSystem } from '../support/test-system';
import { waitFor } from '../support/wait-for';

let system: TestSystem;
beforeAll(async () => {
  system = await startTestSystem({ models: ['support-intents', 'mini-encoder'] });
});
afterAll(() => system?.stop());

/** Just enough of the NATS text protocol: CONNECT, PING, PUB, SUB, MSG. */
class PlainSocket {
  #text = '';
  constructor(private readonly socket: Socket) {
    socket.setEncoding('latin1').on('data', (part: string) => {
      this.#text += part;
      if (part.includes('PING\r\n')) socket.write('PONG\r\n');
    });
    socket.write('CONNECT {"verbose":false,"pedantic":false}\r\nPING\r\n');
  }
  send(line: string, payload?: string): void {
    const body = payload === undefined ? '' : `${payload}\r\n`;
    this.socket.write(`${line}\r\n${body}`);
  }
  /** The payload of the first message delivered to this subscription. */
  payloadOf(sid: number): unknown {
    const match = new RegExp(`MSG +\\S+ +${sid} +(?:\\S+ +)?(\\d+)\\r\\n`).exec(this.#text);
    if (match === null) return undefined;
    const start = match.index + match[0].length;
    const bytes = Number(match[1]);
    if (this.#text.length < start + bytes) return undefined;
    const payload = this.#text.slice(start, start + bytes);
    return JSON.parse(Buffer.from(payload, 'latin1').toString('utf8'));
  }
  close(): void {
    this.socket.destroy();
  }
}

describe('a plain TCP socket', () => {
  it('publishes a task, reads its sequence and its committed result', async () => {
    const client = new PlainSocket(connect(system.nats.port, '127.0.0.1'));
    const body = JSON.stringify({ model: 'support-intents', text: 'I lost my card' });
    client.send('SUB _INBOX.plain.ack 1');
    client.send(
      `PUB llmos.v1.task.standard.default.classify _INBOX.plain.ack ${body.length}`,
      body,
    );
    const ack = (await waitFor(() => client.payloadOf(1), { what: 'the acknowledgement' })) as {
      stream: string;
      seq: number;
    };
    expect(ack.stream).toBe('LLMOS_TASKS');
    const get = JSON.stringify({ last_by_subj: `llmos.v1.result.default.s${ack.seq}` });
    let sid = 2;
    const stored = await waitFor(
      async () => {
        sid += 1;
        const mine = sid;
        client.send(`SUB _INBOX.plain.get${mine} ${mine}`);
        client.send(
          `PUB $JS.API.STREAM.MSG.GET.LLMOS_RESULTS _INBOX.plain.get${mine} ${get.length}`,
          get,
        );
        const answer = (await waitFor(() => client.payloadOf(mine), {
          what: 'an answer of the stream',
        })) as { message?: { data: string } };
        return answer.message?.data;
      },
      { what: 'the committed result', everyMs: 100 },
    );
    expect(JSON.parse(Buffer.from(stored, 'base64').toString('utf8'))).toMatchObject({
      ok: true,
      output: {
        labels: expect.arrayContaining([
          { label: 'lost_or_stolen_card', score: expect.any(Number) as unknown },
        ]) as unknown,
      },
    });
    client.close();
  });

  it('calls a function and reads the answer', async () => {
    const client = new PlainSocket(connect(system.nats.port, '127.0.0.1'));
    const body = JSON.stringify({ model: 'mini-encoder', text: 'hello' });
    client.send('SUB _INBOX.plain.call 1');
    client.send(`PUB llmos.v1.call.default.embed _INBOX.plain.call ${body.length}`, body);
    const answer = await waitFor(() => client.payloadOf(1), {
      what: 'the answer',
    });
    const { ok, output } = answer as { ok: boolean; output: { embeddings: number[][] } };
    expect(ok).toBe(true);
    expect(output.embeddings[0]).toHaveLength(384);
    client.close();
  });

  it('gets a typed error for a body that is no JSON, and the next task runs', async () => {
    const client = new PlainSocket(connect(system.nats.port, '127.0.0.1'));
    client.send('SUB _INBOX.plain.bad 1');
    client.send('PUB llmos.v1.call.default.embed _INBOX.plain.bad 8', '{"model"');
    const bad = await waitFor(() => client.payloadOf(1), { what: 'the error' });
    expect(bad).toMatchObject({ ok: false, error: { code: 'INVALID_ARGUMENT' } });
    expect(await system.os.echo({ still: 'here' })).toEqual({ still: 'here' });
    client.close();
  });

  it('is what examples/raw-socket.mjs shows', async () => {
    const program = join(repositoryFolder, 'examples/raw-socket.mjs');
    const run = await promisify(execFile)(
      process.execPath,
      [program, `127.0.0.1:${system.nats.port}`],
      { timeout: 40_000 },
    );
    expect(readFileSync(program, 'utf8').trimEnd().split('\n').length).toBeLessThanOrEqual(100);
    expect(run.stdout).toContain('labels');
    expect(run.stdout).toContain('embeddings');
  });
});

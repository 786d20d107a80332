/** Reads what the system really stored, to prove that each task ended exactly once. */
import { connect } from 'nats';
import type { JetStreamManager, NatsConnection } from 'nats';
import { parseChunk, parseResult } from '@llmos/base';
import type { GenerateChunk, Result } from '@llmos/base';
import { PATIENT } from './nats-server';

export interface LedgerChunk {
  readonly attempt: number;
  readonly chunk: GenerateChunk;
}

export interface Ledger {
  /** Messages in a stream now. */
  countOf(stream: string): Promise<number>;
  /** Every stored result of a tenant, by task id. */
  results(tenant: string): Promise<ReadonlyMap<string, readonly Result[]>>;
  /** The stored chunks of a task's stream, oldest first. */
  chunks(tenant: string, task: string): Promise<readonly LedgerChunk[]>;
  readonly connection: NatsConnection;
  close(): Promise<void>;
}

export async function openLedger(url: string): Promise<Ledger> {
  const connection = await connect({ servers: url });
  const manager = await connection.jetstreamManager(PATIENT);
  return {
    connection,
    countOf: async (stream) => (await manager.streams.info(stream)).state.messages,
    results: async (tenant) => {
      const found = new Map<string, Result[]>();
      const info = await manager.streams.info('LLMOS_RESULTS', {
        subjects_filter: `llmos.v1.result.${tenant}.*`,
      });
      for (const subject of Object.keys(info.state.subjects ?? {})) {
        const message = await manager.streams.getMessage('LLMOS_RESULTS', {
          last_by_subj: subject,
        });
        const count = info.state.subjects?.[subject] ?? 0;
        const task = subject.split('.').at(-1) ?? '';
        found.set(task, Array<Result>(count).fill(parseResult(message.data)));
      }
      return found;
    },
    chunks: (tenant, task) => readChunks(manager, `llmos.v1.stream.${tenant}.${task}`),
    close: () => connection.close(),
  };
}

async function readChunks(
  manager: JetStreamManager,
  subject: string,
): Promise<readonly LedgerChunk[]> {
  const found: LedgerChunk[] = [];
  for (let seq = 1; ;) {
    const query = { seq, next_by_subj: subject };
    const stored = await manager.streams.getMessage('LLMOS_STREAMS', query).catch(() => undefined);
    const chunk = stored === undefined ? undefined : parseChunk(stored.data);
    if (stored === undefined || chunk === undefined) return found;
    found.push({ attempt: Number(stored.header.get('Llmos-Attempt')), chunk });
    seq = stored.seq + 1;
  }
}

/** Reads what the system really stored, to prove that each task ended exactly once. */
import { connect } from 'nats';
import type { NatsConnection } from 'nats';
import { parseResult } from '@llmos/base';
import type { Result } from '@llmos/base';
import { PATIENT } from './nats-server';

export interface Ledger {
  /** Messages in a stream now. */
  countOf(stream: string): Promise<number>;
  /** Every stored result of a tenant, by task id. */
  results(tenant: string): Promise<ReadonlyMap<string, readonly Result[]>>;
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
    close: () => connection.close(),
  };
}

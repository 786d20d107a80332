/** The measured tenant, in an OS process of its own: calls at a fixed rate, whatever they take. */
import { setTimeout as pause } from 'node:timers/promises';
import { LlmosError } from '@llmos/base';
import { connect } from '@llmos/sdk';
import type { LlmosClient } from '@llmos/sdk';
import { startBareNats } from './bare-nats';
import type { BareNats } from './bare-nats';
import type { Phase, ToVictim, VictimReport } from './hostile-messages';

const MODEL = 'mini-encoder';
const TEXT = 'When will the card that I ordered be here?';
/** Of this many calls one is `embed`, the others are `echo`. */
const EMBED_EVERY = 5;
/** And after as many another one is a durable task of NATS alone: what no scheduler can be below. */
const BARE_AT = 2;
const BARE_BODY = Buffer.from(JSON.stringify({ text: TEXT }));

class Victim {
  private phase: Phase;
  private readonly latenciesMs: Record<string, number[]> = {};
  private readonly failures: Record<string, number> = {};

  constructor(
    private readonly os: LlmosClient,
    private readonly bare: BareNats,
    private readonly perSecond: number,
  ) {}

  hear(message: ToVictim): void {
    if (message.say === 'phase') this.phase = message.phase;
    else
      process.send?.({
        latenciesMs: this.latenciesMs,
        failures: this.failures,
      } satisfies VictimReport);
  }

  /** Until the process is killed. */
  async run(): Promise<never> {
    const startMs = performance.now();
    for (let count = 0; ; count += 1) {
      const dueMs = startMs + (count * 1_000) / this.perSecond;
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) await pause(waitMs);
      const turn = count % EMBED_EVERY;
      void this.measure(turn === 0 ? 'embed' : turn === BARE_AT ? 'bare' : 'echo', dueMs);
    }
  }

  private once(name: Measured): Promise<unknown> {
    if (name === 'bare') return this.bare.task(BARE_BODY);
    if (name === 'echo') return this.os.echo({ text: TEXT });
    return this.os.embed({ model: MODEL, text: TEXT });
  }

  private async measure(name: Measured, dueMs: number): Promise<void> {
    const { phase } = this;
    try {
      await this.once(name);
      if (phase === undefined) return;
      (this.latenciesMs[`${phase} ${name}`] ??= []).push(performance.now() - dueMs);
    } catch (error) {
      const code = error instanceof LlmosError ? error.code : String(error);
      const key = `${phase ?? 'between'} ${name} ${code}`;
      this.failures[key] = (this.failures[key] ?? 0) + 1;
    }
  }
}

type Measured = 'echo' | 'embed' | 'bare';

/** `hostile-victim-main.js <natsUrl> <calls per second>` */
async function main(): Promise<void> {
  const [servers = '', perSecond = '50'] = process.argv.slice(2);
  const os = await connect({ servers, tenant: 'victim' });
  const bare = await startBareNats(servers);
  const victim = new Victim(os, bare, Number(perSecond));
  process.on('message', (message) => victim.hear(message as ToVictim));
  process.once('disconnect', () => process.exit());
  process.send?.('ready');
  await victim.run();
}

void main();

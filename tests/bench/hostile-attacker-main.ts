/** The tenant that attacks, in an OS process of its own: as fast as it is told, with plain NATS. */
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises';
import { connect } from 'nats';
import type { NatsConnection } from 'nats';
import { Attack } from './hostile-attacks';
import type { AttackCounts, ToAttacker } from './hostile-messages';

/** Sent in one go; then the server must have read it. */
const AT_ONCE = 256;

class Attacker {
  private running: { readonly end: () => void; readonly ended: Promise<void> } | undefined;
  private sent = 0;
  private attack: Attack | undefined;

  constructor(private readonly connection: NatsConnection) {}

  begin(of: Extract<ToAttacker, { say: 'attack' }>): void {
    let isEnded = false;
    this.sent = 0;
    this.attack = new Attack(this.connection, of.kind);
    const ended = this.send(this.attack, of.perSecond, () => isEnded);
    this.running = { ended, end: () => (isEnded = true) };
  }

  async stop(): Promise<AttackCounts> {
    this.running?.end();
    await this.running?.ended;
    // What still waits is not the matter of the next phase.
    this.attack?.end();
    await this.connection.flush();
    return { sent: this.sent, heard: this.attack?.heard ?? {} };
  }

  private async send(attack: Attack, perSecond: number, isEnded: () => boolean): Promise<void> {
    const startMs = performance.now();
    while (!isEnded()) {
      const dueCount = ((performance.now() - startMs) / 1_000) * perSecond;
      const most = Math.min(dueCount, this.sent + AT_ONCE);
      if (this.sent >= most) {
        await pause(1);
        continue;
      }
      for (; this.sent < most; this.sent += 1) attack.once(this.sent);
      await this.connection.flush();
      await turn();
    }
  }
}

/** `hostile-attacker-main.js <natsUrl>` */
async function main(): Promise<void> {
  const connection = await connect({ servers: process.argv[2] ?? '', maxReconnectAttempts: -1 });
  const attacker = new Attacker(connection);
  process.on('message', (message: ToAttacker) => {
    if (message.say === 'attack') attacker.begin(message);
    else void attacker.stop().then((counts) => process.send?.(counts));
  });
  process.once('disconnect', () => process.exit());
  process.send?.('ready');
}

void main();

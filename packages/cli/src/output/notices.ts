/** What a system on one machine says while it starts and runs, as lines for people. */
import { describeExit } from '@llmos/local';
import type { SystemNotice } from '@llmos/local';
import type { Terminal } from './terminal';
import { formatBytes, formatMs } from './units';

export function showNotice(notice: SystemNotice, terminal: Terminal): void {
  const { style } = terminal;
  const step = (name: string, text: string): void =>
    terminal.note(`  ${style.green('✓')} ${name.padEnd(11)} ${text}`);
  const warn = (text: string): void => terminal.note(`  ${style.yellow('!')} ${text}`);
  switch (notice.kind) {
    case 'progress':
      return terminal.note(`  ${style.dim('·')} ${notice.text}`);
    case 'nats-found':
      return terminal.progress(`starting NATS ${notice.version} (${notice.path})`);
    case 'storage-fitted': {
      const [has, asked] = [formatBytes(notice.streamBytes), formatBytes(notice.wantedBytes)];
      if (notice.streamBytes > notice.wantedBytes) {
        return warn(
          `the streams have ${has}: they are never made smaller (${asked} were asked for)`,
        );
      }
      const free = `${formatBytes(notice.freeBytes)} free on the disk`;
      return warn(`the streams have ${has} instead of ${asked}: ${free}; see LLMOS_STORAGE_BYTES`);
    }
    case 'port-taken':
      return warn(`port ${notice.wanted} is taken; using ${notice.chosen}`);
    case 'nats-started':
      return step('nats', `${notice.url} ${style.dim(`(version ${notice.version})`)}`);
    case 'program-started':
      if (notice.name === 'nats-server') return;
      return step(notice.name, style.dim(`pid ${notice.osPid}`));
    case 'program-died':
      return warn(
        `${notice.name} ${describeExit(notice.outcome)}; ` +
          `starting it again in ${formatMs(notice.restartMs)}`,
      );
    case 'program-renewed':
      return step(notice.name, `was started again: ${notice.reason}`);
    case 'disk': {
      const free = `${formatBytes(notice.freeBytes)} free on the disk of ${notice.folder}`;
      if (notice.level === 'ample') return step('disk', free);
      if (notice.level === 'short') return warn(`room is short: ${free}; make room`);
      return warn(`the disk is full: ${free}; make room, and all goes on by itself`);
    }
    case 'program-restarted':
      return step(notice.name, `is up again ${style.dim(`pid ${notice.osPid}`)}`);
    case 'program-killed':
      return warn(`${notice.name} did not stop in time and was killed`);
    case 'model-checking':
      return terminal.progress(`checking model ${notice.name}`);
    case 'model-storing': {
      const { storedBytes, totalBytes } = notice;
      const size = `${formatBytes(storedBytes)} of ${formatBytes(totalBytes)}`;
      const share = totalBytes === 0 ? 1 : storedBytes / totalBytes;
      return terminal.progressBar(share, `storing ${notice.name}: ${size}`);
    }
    case 'model-registered': {
      const what = notice.isNew ? 'registered' : 'known';
      const size = formatBytes(notice.bytes);
      return step('model', `${notice.model} ${style.dim(`(${what}, ${size})`)}`);
    }
    case 'model-refused':
      return warn(`model ${notice.name} is left out: ${notice.message}`);
    case 'stopping':
      return terminal.note(style.dim('stopping …'));
  }
}

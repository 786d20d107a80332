/** A connection to a test's server as a kernel has it, behind its guards. */
import { openLink, type LinkOptions } from '@llmos/wire';

type Told = Pick<LinkOptions, 'onSkipped' | 'onUnsent'>;

const ignore = (): void => undefined;

/** Whoever opens it closes it, with `closeLink`. @param told by default of nothing. */
export function openKernelLink(url: string, told: Partial<Told> = {}): ReturnType<typeof openLink> {
  return openLink({
    ...{ servers: [url], name: 'kernel', onSkipped: ignore, onUnsent: ignore },
    ...told,
  });
}

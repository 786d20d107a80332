/**
 * The subjects of a stream, and how many messages each has. A list is asked for only while it is
 * short: of a million subjects the server makes it for a minute, in which it does nothing else, and
 * it takes 260 MB here. So their number is asked first.
 */
import type { JetStreamManager } from '@llmos/wire';

export type SubjectList =
  | { readonly kind: 'listed'; readonly counts: ReadonlyMap<string, number> }
  | { readonly kind: 'too-many'; readonly subjects: number };

/** @param of.filters each asked for after the one before; what is in several is listed once. */
export async function listSubjects(
  manager: JetStreamManager,
  of: { readonly stream: string; readonly filters: readonly string[]; readonly most: number },
): Promise<SubjectList> {
  const { state } = await manager.streams.info(of.stream);
  const subjects = state.num_subjects ?? 0;
  if (subjects > of.most) return { kind: 'too-many', subjects };
  const counts = new Map<string, number>();
  for (const filter of of.filters) {
    const { state: listed } = await manager.streams.info(of.stream, { subjects_filter: filter });
    for (const [subject, count] of Object.entries(listed.subjects ?? {})) {
      counts.set(subject, count);
    }
  }
  return { kind: 'listed', counts };
}

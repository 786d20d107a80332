/** Parses task subjects, and keeps the last ones: tasks that wait share the texts of their subject. */
import type { TaskSubject } from '@llmos/base';
import { parseTaskSubject } from '@llmos/base';
import { EDGE_LIMITS } from '../../edge-limits';

export class SubjectMemory {
  private readonly known = new Map<string, TaskSubject>();

  parse(text: string): TaskSubject | undefined {
    const known = this.known.get(text);
    if (known !== undefined) return known;
    const parsed = parseTaskSubject(text);
    if (parsed === undefined) return undefined;
    if (this.known.size >= EDGE_LIMITS.maxKnownSubjects) this.known.clear();
    this.known.set(text, parsed);
    return parsed;
  }
}

/** The three classes of work, most urgent first. */
export const TASK_CLASSES = ['interactive', 'standard', 'batch'] as const;
export type TaskClass = (typeof TASK_CLASSES)[number];

export const DEFAULT_PRIORITY = 5;
export const MAX_PRIORITY = 9;

/** 0 for the most urgent class. */
export function classRank(taskClass: TaskClass): number {
  return TASK_CLASSES.indexOf(taskClass);
}

/** What decides who goes first. */
export interface Urgency {
  readonly class: TaskClass;
  /** 9 first. */
  readonly priority: number;
  /** Older ones have smaller numbers. */
  readonly sequence: number;
}

/** Negative where `a` goes first: by class, then priority, then age. */
export function compareUrgency(a: Urgency, b: Urgency): number {
  return (
    classRank(a.class) - classRank(b.class) || b.priority - a.priority || a.sequence - b.sequence
  );
}

/** Whether `a` may interrupt `b`: by class, then priority; age alone is no reason. */
export function mayInterrupt(a: Omit<Urgency, 'sequence'>, b: Omit<Urgency, 'sequence'>): boolean {
  return compareUrgency({ ...a, sequence: 0 }, { ...b, sequence: 0 }) < 0;
}

export function isTaskClass(text: unknown): text is TaskClass {
  return TASK_CLASSES.includes(text as TaskClass);
}

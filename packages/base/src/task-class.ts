/** The three classes of work, most urgent first. */
export const TASK_CLASSES = ['interactive', 'standard', 'batch'] as const;
export type TaskClass = (typeof TASK_CLASSES)[number];

export const DEFAULT_PRIORITY = 5;
export const MAX_PRIORITY = 9;

/** 0 for the most urgent class. */
export function classRank(taskClass: TaskClass): number {
  return TASK_CLASSES.indexOf(taskClass);
}

export function isTaskClass(text: unknown): text is TaskClass {
  return TASK_CLASSES.includes(text as TaskClass);
}

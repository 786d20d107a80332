/** Bounds of what is written to and believed of another program, each with its reason. */
export const CODEC_LIMITS = {
  /** An error message inside a report; the committed result holds the complete one. */
  maxReportedMessageChars: 512,
  /** A foreign text that goes into logs and answers is cut here. */
  maxForeignTextChars: 2_048,
  /** More than any task may have: host deaths and preemptions count on top of a hundred retries. */
  mostAttempts: 10_000,
} as const;

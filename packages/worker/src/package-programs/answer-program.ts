/** The side that is asked by `program-answer.ts`: one request, one line of JSON, the end. */
import { failure, toErrorBody } from '@llmos/base';

/** @param work gets the program's argument; what it throws is the answer's error. */
export async function answerAsked(work: (request: string | undefined) => Promise<object>) {
  // Whoever started this is gone: nobody waits for the answer.
  process.on('disconnect', () => process.exit(1));
  try {
    endWith({ ok: true, ...(await work(process.argv[2])) });
  } catch (thrown) {
    endWith(failure(toErrorBody(thrown)));
  }
}

/** Writes the answer and ends, once it is out. */
export function endWith(answer: object): void {
  process.stdout.write(`\n${JSON.stringify(answer)}\n`, () => process.exit(0));
}

/** The sentences of the embed figures: questions of bank customers, or made ones without the data. */
import { readFileSync } from 'node:fs';
import { sharedFolder } from '../support/shared-folder';

const MOST = 1_000;

export function benchSentences(): readonly string[] {
  const folder = sharedFolder('data', 'banking77');
  if (folder === undefined) return madeSentences();
  const lines = readFileSync(`${folder}/test.csv`, 'utf8').split('\n').slice(1, MOST);
  // Plain fields only: the text is all before the last comma.
  return lines
    .map((line) => line.slice(0, line.lastIndexOf(',')).replaceAll('"', '').trim())
    .filter((line) => line.length > 0);
}

function madeSentences(): readonly string[] {
  const starts = ['My card', 'The transfer', 'A payment I do not know', 'My new PIN'];
  const middles = ['has still not come', 'was refused', 'is shown twice on my account'];
  const ends = ['.', ', what can I do?', ', and I have been waiting for more than two weeks now.'];
  return starts.flatMap((start) =>
    middles.flatMap((middle) => ends.map((end) => `${start} ${middle}${end}`)),
  );
}

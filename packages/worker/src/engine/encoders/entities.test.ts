import { mergeEntities } from './entities';

const text = 'Anna Smith of Acme Corp lives in New York';
function word(start: number, end: number, tag: string, score = 1) {
  return { start, end, tag, score };
}

describe('entities', () => {
  it('merges a beginning with what continues it', () => {
    const words = [
      word(0, 4, 'B-PER', 0.9),
      word(5, 10, 'I-PER', 0.7),
      word(11, 13, 'O'),
      word(14, 18, 'B-ORG', 1),
      word(19, 23, 'I-ORG', 0.5),
    ];
    expect(mergeEntities(text, words)).toEqual([
      { type: 'PER', text: 'Anna Smith', start: 0, end: 10, score: 0.8 },
      { type: 'ORG', text: 'Acme Corp', start: 14, end: 23, score: 0.75 },
    ]);
  });

  it('begins anew at B, at another type, and after O', () => {
    const words = [
      word(0, 4, 'B-PER'),
      word(5, 10, 'B-PER'),
      word(14, 18, 'I-ORG'),
      word(19, 23, 'I-LOC'),
      word(24, 29, 'O'),
      word(33, 36, 'I-LOC'),
    ];
    expect(mergeEntities(text, words).map((entity) => [entity.type, entity.text])).toEqual([
      ['PER', 'Anna'],
      ['PER', 'Smith'],
      ['ORG', 'Acme'],
      ['LOC', 'Corp'],
      ['LOC', 'New'],
    ]);
  });

  it('reads other tag schemes: BIOES, and plain types', () => {
    expect(
      mergeEntities(text, [word(0, 4, 'B-PER'), word(5, 10, 'E-PER'), word(14, 18, 'S-ORG')]),
    ).toHaveLength(2);
    expect(mergeEntities(text, [word(33, 36, 'LOC'), word(37, 41, 'LOC')])[0]?.text).toBe(
      'New York',
    );
  });
});

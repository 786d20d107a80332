import { rebuffer } from './rebuffer';

async function* parts(...lengths: readonly number[]): AsyncGenerator<Uint8Array> {
  let value = 0;
  for (const length of lengths) yield Uint8Array.from({ length }, () => (value += 1) % 256);
}

it.each([[[1, 2, 3, 4, 5]], [[15]], [[3, 0, 12]], [[4, 4, 4, 3]]])(
  'cuts parts of %j bytes into pieces of 4',
  async (lengths) => {
    const pieces: number[][] = [];
    for await (const piece of rebuffer(parts(...lengths), 4)) pieces.push([...piece]);
    expect(pieces.map((piece) => piece.length)).toEqual([4, 4, 4, 3]);
    expect(pieces.flat()).toEqual(Array.from({ length: 15 }, (_, at) => at + 1));
  },
);

it('has no piece for no bytes', async () => {
  const pieces = [];
  for await (const piece of rebuffer(parts(), 4)) pieces.push(piece);
  expect(pieces).toEqual([]);
});

/** The same parts; tells how many bytes each had, once whoever reads them asks for the next. */
export async function* tellingBytes(
  parts: AsyncIterable<Uint8Array>,
  tell: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const part of parts) {
    yield part;
    tell(part.byteLength);
  }
}

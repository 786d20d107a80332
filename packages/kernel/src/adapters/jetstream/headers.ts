/** Text that is safe as a header value: no control characters, bounded. */
export function headerText(text: string, maxChars: number): string {
  const clean = text.replace(/[\u0000-\u001f\u007f]+/g, ' ').trim();
  return clean.length > maxChars ? `${clean.slice(0, maxChars - 1)}…` : clean;
}

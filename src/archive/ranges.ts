/** Some bytes of an archive. */
export interface ByteRange {
  readonly offset: number;
  readonly bytes: number;
}

/**
 * Cuts ranges out of a stream, in their order.
 *
 * @param segments - which bytes the stream has, in order; the last may be longer than the stream
 * @param ranges - ascending; they do not overlap and lie within the segments
 */
export async function* cutRanges(
  stream: AsyncIterable<Buffer>,
  segments: readonly ByteRange[],
  ranges: readonly ByteRange[],
): AsyncGenerator<Buffer> {
  const left = ranges.filter(({ bytes }) => bytes > 0).values();
  let range = left.next().value;
  let segment = 0;
  let passed = 0;
  for await (const chunk of stream) {
    for (let at = 0; at < chunk.length; ) {
      const { offset, bytes } = segments[segment] ?? { offset: 0, bytes: Number.POSITIVE_INFINITY };
      const length = Math.min(chunk.length - at, bytes - passed);
      const begin = offset + passed;
      while (range !== undefined && range.offset < begin + length) {
        const from = Math.max(range.offset, begin);
        const to = Math.min(range.offset + range.bytes, begin + length);
        yield chunk.subarray(at + from - begin, at + to - begin);
        if (range.offset + range.bytes > to) break;
        range = left.next().value;
      }
      at += length;
      passed += length;
      if (passed < bytes) continue;
      segment++;
      passed = 0;
    }
  }
}

/** The same bytes as fewer ranges, in ascending order. */
export function joinedRanges(ranges: readonly ByteRange[]): ByteRange[] {
  const joined: { offset: number; bytes: number }[] = [];
  for (const { offset, bytes } of ranges.toSorted((a, b) => a.offset - b.offset)) {
    const last = joined.at(-1);
    const end = last === undefined ? -1 : last.offset + last.bytes;
    if (last === undefined || end < offset) joined.push({ offset, bytes });
    else last.bytes = Math.max(end, offset + bytes) - last.offset;
  }
  return joined;
}

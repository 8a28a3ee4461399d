/** Numbers that look random and are the same for the same seed. */
export type Random = (below: number) => number;

/** mulberry32: every seed has a sequence of its own. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** Numbers at which sizes and offsets break. */
const edges = [0, 1, 0x7f, 0x80, 0xff, 0x1ff, 0x200, 0xffff, 0x7fffffff, 0xffffffff];

type Mutation = (input: Buffer, random: Random, other: Buffer) => Buffer;

const mutations: readonly Mutation[] = [
  // One bit, or one byte.
  (input, random) => changed(input, random, (byte) => byte ^ (1 << random(8))),
  (input, random) => changed(input, random, () => random(256)),
  (input, random) => changed(input, random, () => edges[random(6)] ?? 0),
  // A number of four bytes, in both orders.
  (input, random) => {
    const copy = Buffer.from(input);
    if (copy.length < 4) return copy;
    const at = random(copy.length - 3);
    const value = edges[random(edges.length)] ?? 0;
    if (random(2) === 0) copy.writeUInt32LE(value, at);
    else copy.writeUInt32BE(value, at);
    return copy;
  },
  // A piece left out, twice, moved, or of another input.
  (input, random) => {
    const [from, to] = span(input, random);
    return Buffer.concat([input.subarray(0, from), input.subarray(to)]);
  },
  (input, random) => {
    const [from, to] = span(input, random);
    return Buffer.concat([input.subarray(0, to), input.subarray(from)]);
  },
  (input, random, other) => {
    const [from, to] = span(other, random);
    const at = random(input.length + 1);
    return Buffer.concat([input.subarray(0, at), other.subarray(from, to), input.subarray(at)]);
  },
  (input, random) => input.subarray(0, random(input.length + 1)),
  // Digits, which are lengths and times in texts.
  (input, random) => {
    const digits = [...input.keys()].filter((at) => /\d/.test(String.fromCharCode(input[at] ?? 0)));
    const at = digits[random(digits.length)];
    if (at === undefined) return input;
    const texts = ["9".repeat(20), "-1", "0", "1e999", "0x1", ""];
    const text = Buffer.from(texts[random(texts.length)] ?? "");
    return Buffer.concat([input.subarray(0, at), text, input.subarray(at + 1)]);
  },
];

/** A changed copy of an input. `other` is where pieces may come from. */
export function mutate(input: Buffer, random: Random, other: Buffer): Buffer {
  let mutated = input;
  for (let left = 1 + random(4); left > 0; left--) {
    mutated = (mutations[random(mutations.length)] as Mutation)(mutated, random, other);
  }
  return mutated;
}

function changed(input: Buffer, random: Random, change: (byte: number) => number): Buffer {
  const copy = Buffer.from(input);
  if (copy.length === 0) return copy;
  const at = random(copy.length);
  copy[at] = change(copy[at] ?? 0);
  return copy;
}

function span(input: Buffer, random: Random): [from: number, to: number] {
  const from = random(input.length + 1);
  return [from, Math.min(input.length, from + 1 + random(600))];
}

/** The smallest part of an input, by leaving pieces out, for which `fails` still holds. */
export async function minimised(
  input: Buffer,
  fails: (input: Buffer) => Promise<boolean>,
): Promise<Buffer> {
  let smallest = input;
  let tries = 400;
  for (let size = Math.ceil(input.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < smallest.length && tries > 0; ) {
      tries -= 1;
      const shorter = Buffer.concat([smallest.subarray(0, at), smallest.subarray(at + size)]);
      if (await fails(shorter)) smallest = shorter;
      else at += size;
    }
  }
  return smallest;
}

/**
 * Mutation fuzzing: what a parser says of damaged input must be one of its own errors, soon, and without much memory.
 * `MASKLET_FUZZ=1000000` sets how many inputs are tried in all, `MASKLET_FUZZ_SEED` where the series begins.
 */
import process from "node:process";
import { inspect } from "node:util";
import { expect } from "vitest";
import { MaskletError } from "../src/errors.ts";
import { random } from "./checkpoint-files.ts";

const all = Number(process.env["MASKLET_FUZZ"] ?? 100_000);
const firstSeed = Number(process.env["MASKLET_FUZZ_SEED"] ?? 1);

/** Longer than any input of these sizes explains, even on a machine that does much else. */
const hangMs = 5000;
const mostMemory = 400 << 20;

export interface Fuzzed<T> {
  /** Of all inputs, those that are tried here. */
  readonly share: number;
  readonly mutate: (random: () => number) => T;
  /** May throw a `refusal` and nothing else. */
  readonly run: (input: T) => unknown;
  /** A `MaskletError` unless given. */
  readonly refusal?: abstract new (
    ...args: never
  ) => Error;
}

/** -> how many inputs were accepted and how many refused: both have to be some, or the mutations are of no use. */
export async function fuzz<T>({
  share,
  mutate,
  run,
  refusal = MaskletError,
}: Fuzzed<T>): Promise<{ accepted: number; refused: number }> {
  const runs = Math.ceil(all * share);
  const counts = { accepted: 0, refused: 0 };
  const before = process.resourceUsage().maxRSS;
  for (let i = 0; i < runs; i++) {
    const seed = firstSeed + i;
    const input = mutate(random(seed));
    const began = performance.now();
    try {
      await run(input);
      counts.accepted++;
    } catch (error) {
      if (!(error instanceof refusal))
        throw new Error(failure(seed, input, `threw no ${refusal.name}`), { cause: error });
      counts.refused++;
    }
    if (performance.now() - began > hangMs) throw new Error(failure(seed, input, `took more than ${hangMs} ms`));
  }
  // In KiB.
  expect((process.resourceUsage().maxRSS - before) * 1024).toBeLessThan(mostMemory);
  return counts;
}

function failure(seed: number, input: unknown, what: string): string {
  const shown =
    input instanceof Uint8Array
      ? Buffer.from(input).toString("base64")
      : inspect(input, { depth: 8, breakLength: Infinity });
  return `seed ${seed}: ${what}: ${shown.slice(0, 2000)}`;
}

/** Numbers that sizes and offsets go wrong with. */
const edges = [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

/** A file with one to four things changed: bits, bytes, numbers, parts cut, doubled, swapped. */
export function mutateBytes(bytes: Uint8Array, random: () => number): Uint8Array {
  let out = Uint8Array.from(bytes);
  const below = (end: number): number => Math.floor(random() * end);
  for (let changes = 1 + below(4); changes > 0; changes--) {
    if (out.length === 0) return out;
    const at = below(out.length);
    const length = 1 + below(Math.min(32, out.length - at));
    const put = (...parts: readonly Uint8Array[]): void => {
      out = Uint8Array.from(parts.flatMap((part) => [...part]));
    };
    switch (below(8)) {
      case 0:
        out[at] = (out[at] as number) ^ (1 << below(8));
        break;
      case 1:
        out[at] = below(256);
        break;
      case 2: {
        const value = edges[below(edges.length)] as number;
        const size = [1, 2, 4, 8][below(4)] as number;
        for (let i = 0; i < size && at + i < out.length; i++) out[at + i] = i < 4 ? (value >>> (8 * i)) & 255 : 0;
        break;
      }
      case 3:
        put(out.subarray(0, at));
        break;
      case 4:
        put(out.subarray(0, at), out.subarray(at + length));
        break;
      case 5:
        put(out.subarray(0, at + length), out.subarray(at));
        break;
      case 6:
        put(
          out.subarray(0, at),
          Uint8Array.from({ length }, () => below(256)),
          out.subarray(at),
        );
        break;
      default:
        out.copyWithin(at, below(out.length), below(out.length));
    }
  }
  return out;
}

const json: readonly unknown[] = [
  ...[null, true, "", "x".repeat(1000), "__proto__", "constructor", {}, [], [[]]],
  ...[-1, 0, 0.5, 1, 2 ** 31, 2 ** 53, 1e300],
];
const clonable: readonly unknown[] = [
  ...[...json, undefined, -0, Number.NaN, Number.POSITIVE_INFINITY, 10n, new Date(0)],
  ...[new Uint8Array(3), new Float32Array(2), new Map([[1, 2]])],
];

/** What JSON can say, with one to three of its parts replaced, left out or doubled. */
export function mutateJson(value: unknown, random: () => number): unknown {
  return mutateValue(value, random, json);
}

/** The same for what structured clone can carry. */
export function mutateMessage(value: unknown, random: () => number): unknown {
  return mutateValue(value, random, clonable);
}

function mutateValue(value: unknown, random: () => number, strange: readonly unknown[]): unknown {
  let out = structuredClone(value);
  for (let changes = 1 + Math.floor(random() * 3); changes > 0; changes--) out = mutateOnce(out, random, strange);
  return out;
}

function mutateOnce(value: unknown, random: () => number, strange: readonly unknown[]): unknown {
  const below = (end: number): number => Math.floor(random() * end);
  const plain = typeof value === "object" && value !== null && !ArrayBuffer.isView(value) && !(value instanceof Date);
  const keys = plain ? Object.keys(value) : [];
  const key = keys[below(keys.length)];
  if (!plain || key === undefined || random() < 0.1) {
    if (typeof value === "number" && random() < 0.5) return value + below(5) - 2;
    return structuredClone(strange[below(strange.length)]);
  }
  const fields = value as Record<string, unknown>;
  const fate = random();
  if (fate < 0.15) delete fields[key];
  else if (fate < 0.3 && Array.isArray(value)) value.push(structuredClone(fields[key]));
  else fields[key] = mutateOnce(fields[key], random, strange);
  return value;
}

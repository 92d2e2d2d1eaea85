import { expect, test } from "vitest";
import { float32, int32 } from "../tensor/tensor.ts";
import { bindFeeds } from "./feeds.ts";

const signature = {
  inputs: {
    image: { dtype: "float32", dims: ["n?", 2] },
    tokens: { dtype: "float32", dims: ["n", "points + 1"] },
    labels: { dtype: "int32", dims: ["n", "points"] },
  },
} as const;

const tensor = (...dims: readonly number[]) => float32(dims, new Float32Array(dims.reduce((a, b) => a * b, 1)));
const labels = (...dims: readonly number[]) => int32(dims, new Int32Array(dims.reduce((a, b) => a * b, 1)));

test.each([
  { image: [1, 2], tokens: [3, 5], other: [3, 4], expected: { n: 3, points: 4 } },
  { image: [3, 2], tokens: [3, 1], other: [3, 0], expected: { n: 3, points: 0 } },
  { image: [1, 2], tokens: [1, 2], other: [1, 1], expected: { n: 1, points: 1 } },
])("image $image, tokens $tokens, labels $other", ({ image, tokens, other, expected }) => {
  expect(
    bindFeeds(signature, { image: tensor(...image), tokens: tensor(...tokens), labels: labels(...other) }),
  ).toEqual(expected);
});

test("optional dimensions alone: 1 where nobody says more", () => {
  const optional = {
    inputs: { a: { dtype: "float32", dims: ["n?"] }, b: { dtype: "float32", dims: ["n?"] } },
  } as const;
  expect(bindFeeds(optional, { a: tensor(1), b: tensor(1) })).toEqual({ n: 1 });
  expect(bindFeeds(optional, { a: tensor(1), b: tensor(4) })).toEqual({ n: 4 });
  expect(() => bindFeeds(optional, { a: tensor(3), b: tensor(4) })).toThrow(
    'feeds: input "b" takes float32[n?], got float32[4]: axis 0 must be n? (n is 3 by input "a"), got 4',
  );
});

test("sizes that are settled before", () => {
  const feeds = { image: tensor(1, 2), tokens: tensor(3, 5), labels: labels(3, 4) };
  expect(bindFeeds(signature, feeds, { n: 3 })).toEqual({ n: 3, points: 4 });
  expect(() => bindFeeds(signature, feeds, { n: 2 })).toThrow(
    'feeds: input "tokens" takes float32[n,points + 1], got float32[3,5]: axis 0 must be n (n is 2 by compilation), got 3',
  );
});

const good = { image: tensor(1, 2), tokens: tensor(3, 5), labels: labels(3, 4) };

test.each([
  { feeds: { image: good.image, tokens: good.tokens }, message: 'feeds: input "labels" is missing' },
  {
    feeds: { ...good, mask: good.image },
    message: 'feeds: there is no input "mask", only "image", "tokens", "labels"',
  },
  {
    feeds: { ...good, labels: tensor(3, 4) },
    message: 'feeds: input "labels" takes int32[n,points], got float32[3,4]',
  },
  { feeds: { ...good, image: tensor(2) }, message: 'feeds: input "image" takes float32[n?,2], got float32[2]' },
  {
    feeds: { ...good, image: tensor(1, 3) },
    message: 'feeds: input "image" takes float32[n?,2], got float32[1,3]: axis 1 must be 2, got 3',
  },
  {
    feeds: { ...good, image: tensor(2, 2) },
    message:
      'feeds: input "image" takes float32[n?,2], got float32[2,2]: axis 0 must be n? (n is 3 by input "tokens"), got 2',
  },
  {
    feeds: { ...good, labels: labels(3, 3) },
    message: 'axis 1 must be points (points is 4 by input "tokens"), got 3',
  },
  {
    feeds: { ...good, tokens: tensor(3, 0) },
    message: 'axis 1 must be points + 1 (points is 4 by input "labels"), got 0',
  },
  {
    feeds: { ...good, image: float32([1, 2], new Float32Array(3)) },
    message: 'feeds: input "image" has 3 elements for [1,2]',
  },
])("$message", ({ feeds, message }) => {
  expect(() => bindFeeds(signature, feeds)).toThrow(
    expect.objectContaining({ name: "BackendError", code: "bad-feeds", message: expect.stringContaining(message) }),
  );
});

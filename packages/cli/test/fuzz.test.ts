/** Prompts that were damaged on the way; see `core/test/fuzz.ts`. */
import { PromptError } from "@masklet/core/node";
import { fuzz, mutateBytes, mutateJson } from "@masklet/core/test/fuzz";
import { expect, test, vi } from "vitest";
import { imageSyntax, type PromptOption, parsePrompts, videoSyntax } from "../src/prompts.ts";
import { parsePromptsFile } from "../src/track/prompts-file.ts";
import { UsageError } from "../src/usage.ts";

vi.setConfig({ testTimeout: 600_000 });

/** Some inputs have to be refused, and others be taken: else the mutations reach nothing. */
const useful = { accepted: expect.toSatisfy((n) => n > 0), refused: expect.toSatisfy((n) => n > 0) };

const mutateText = (text: string, random: () => number): string =>
  Buffer.from(mutateBytes(Buffer.from(text), random)).toString();

const entries = [
  {
    object: 3,
    points: [
      [1, "50%"],
      [2.5, 3],
    ],
    labels: [1, 0],
  },
  { object: 3, frame: 8, box: [0, 1, "30%", 4], points: [[9, 9]], labels: [0] },
  { object: 255, mask: "masks/a.png" },
];
const readFile = (text: string) => parsePromptsFile("prompts.json", text);
test("a file of prompts", async () => {
  const text = JSON.stringify(entries);
  const bytes = (random: () => number): string => mutateText(text, random);
  expect(await fuzz({ share: 0.2, mutate: bytes, run: readFile, refusal: PromptError })).toEqual(useful);
  const json = (random: () => number): string => JSON.stringify(mutateJson(entries, random)) ?? "";
  expect(await fuzz({ share: 0.3, mutate: json, run: readFile, refusal: PromptError })).toEqual(useful);
});

/** Long to read where the digits of what is no number can be parted in many ways, or too deep to show. */
const long = { digits: `"${"1".repeat(100_000)}x"`, lists: `${"[".repeat(100_000)}${"]".repeat(100_000)}` };

test.each<[field: string, what: string, value: string]>([
  ["points", "digits", `[[${long.digits}, 1]]`],
  ["box", "digits", `[${long.digits}, 2, 3, 4]`],
  ...["object", "points", "labels", "box", "mask"].map((field): [string, string, string] => [
    field,
    "lists",
    long.lists,
  ]),
])("%s with 100,000 %s is refused at once", (field, _, value) => {
  const began = performance.now();
  expect(() => readFile(`[{"object": 1, "points": [[1, 2]], "${field}": ${value}}]`)).toThrow(PromptError);
  expect(performance.now() - began).toBeLessThan(1000);
});

test.each([
  ["--point and --box of images", imageSyntax, ""],
  ["--point and --box of videos", videoSyntax, "@12"],
])("%s", async (_, syntax, frame) => {
  const options: readonly PromptOption[] = [
    { name: "point", value: `12.5,50%${frame}` },
    { name: "point", value: `1e2,-.5,-${frame}#7` },
    { name: "box", value: `1,2,30%,4${frame}#7` },
    { name: "mask", value: `masks/a#1.png${frame}#8` },
  ];
  const mutate = (random: () => number): readonly PromptOption[] =>
    options.map(({ name, value }) => ({ name, value: random() < 0.5 ? mutateText(value, random) : value }));
  const run = (given: readonly PromptOption[]) => parsePrompts(given, syntax);
  expect(await fuzz({ share: 0.25, mutate, run, refusal: UsageError })).toEqual(useful);
});

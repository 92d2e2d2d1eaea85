import { describe, expect, test } from "vitest";
import {
  imageSyntax,
  type PromptOption,
  type PromptSyntax,
  parsePrompts,
  promptFor,
  videoSyntax,
} from "../src/prompts.ts";
import { UsageError } from "../src/usage.ts";

/** `--point 1,2 --box ...` as options. */
function options(line: string): readonly PromptOption[] {
  return [...line.matchAll(/--(\w+) (\S+)/g)].map(([, name, value]) => ({ name, value }) as PromptOption);
}

const size = { width: 200, height: 100 };

/** Every object on a line: id and prompt in pixels. */
function objects(line: string, syntax: PromptSyntax = imageSyntax): readonly unknown[] {
  return parsePrompts(options(line), syntax).map((object) => ({
    id: object.id,
    ...(object.frame === 0 ? {} : { frame: object.frame }),
    ...promptFor(object, size),
    ...(object.mask === undefined ? {} : { mask: object.mask }),
  }));
}

test.each([
  ["--point 1,2", [{ id: "1", points: [[1, 2]], labels: [1] }]],
  [
    "--point 1,2,- --point 3,4 --point 5,6,-",
    [
      {
        id: "1",
        points: [
          [1, 2],
          [3, 4],
          [5, 6],
        ],
        labels: [0, 1, 0],
      },
    ],
  ],
  [
    "--point 1,2#1 --point 3.5,4,-#1 --point 5,6,+#1",
    [
      {
        id: "1",
        points: [
          [1, 2],
          [3.5, 4],
          [5, 6],
        ],
        labels: [1, 0, 1],
      },
    ],
  ],
  [
    "--box 1,2,3,4 --box 5,6,7,8",
    [
      { id: "1", box: [1, 2, 3, 4] },
      { id: "2", box: [5, 6, 7, 8] },
    ],
  ],
  [
    "--box 1,2,3,4#cat --point 9,9#1 --point 2,2,-#cat --box 5,6,7,8",
    [
      { id: "cat", points: [[2, 2]], labels: [0], box: [1, 2, 3, 4] },
      { id: "1", points: [[9, 9]], labels: [1] },
      { id: "2", box: [5, 6, 7, 8] },
    ],
  ],
  [
    "--mask a.png --mask b#1.png --mask c.png#x_1",
    [
      { id: "1", mask: "a.png" },
      { id: "2", mask: "b#1.png" },
      { id: "x_1", mask: "c.png" },
    ],
  ],
  [
    "--point 50%,50%#1 --box 0,10%,25%,1e2",
    [
      { id: "1", points: [[100, 50]], labels: [1] },
      { id: "2", box: [0, 10, 50, 100] },
    ],
  ],
])("%s", (line, expected) => {
  expect(objects(line)).toEqual(expected);
});

describe("what is no prompt names the option and what it got", () => {
  test.each([
    ["--point 3", '--point takes X,Y or X,Y,+ or X,Y,- with an optional #ID, got "3"'],
    ["--point 1,2,3", 'got "1,2,3"'],
    ["--point 1,2,+,4", 'got "1,2,+,4"'],
    ["--point nan,1", 'got "nan,1"'],
    ["--point Infinity,1", 'got "Infinity,1"'],
    ["--point 1,1e999", 'got "1,1e999"'],
    ["--point 1,", 'got "1,"'],
    ["--point 0x10,1", 'got "0x10,1"'],
    ["--box 1,2,3", '--box takes X0,Y0,X1,Y1 with an optional #ID, got "1,2,3"'],
    ["--box 1,2,3,4,5", 'got "1,2,3,4,5"'],
    ["--box 5,2,5,4", 'with X0 < X1 and Y0 < Y1, got "5,2,5,4"'],
    ["--box 1,2,3,4#a --box 1,2,3,4#a", '--box 1,2,3,4#a: object "a" has a box already'],
    ["--mask a.png#a --mask b.png#a", '--mask b.png#a: object "a" has a mask already'],
    ["--mask #a", '--mask takes the path of a picture, got "#a"'],
    ["--box 1,2,3,4#1 --point 2,2,-#2", 'object "2" has only points that are not on it'],
    [
      "--point 1,2 --point 3,4,- --point 5,6",
      "--point 1,2 and --point 5,6 may show one object or two: give them ids, " +
        '"--point 1,2#1 --point 5,6#1" for one object, "--point 1,2#1 --point 5,6#2" for two',
    ],
    ["--point 1,2 --point 5,6,+", "may show one object or two"],
    ["--point 1,2 --box 1,2,3,4", '"--box 1,2,3,4#1 --point 1,2#2" for two'],
    ["--box 1,2,3,4 --point 2,2,-", 'need not belong together: give them ids, "--box 1,2,3,4#1 --point 2,2,-#1"'],
    ["--mask a.png --point 2,2", "--mask a.png and --point 2,2 may show one object or two"],
  ])("%s", (line, message) => {
    expect(() => objects(line)).toThrow(UsageError);
    expect(() => objects(line)).toThrow(message);
  });
});

describe("on frames", () => {
  test.each([
    ["--point 1,2@5", [{ id: "1", frame: 5, points: [[1, 2]], labels: [1] }]],
    ["--point 1,2,-@5#9 --box 1,2,3,4@5#9", [{ id: "9", frame: 5, points: [[1, 2]], labels: [0], box: [1, 2, 3, 4] }]],
    [
      "--point 1,2#1 --box 1,2,3,4@3 --point 5,6@7#1 --point 8,9#2",
      [
        { id: "1", points: [[1, 2]], labels: [1] },
        { id: "1", frame: 7, points: [[5, 6]], labels: [1] },
        { id: "3", frame: 3, box: [1, 2, 3, 4] },
        { id: "2", points: [[8, 9]], labels: [1] },
      ],
    ],
    [
      "--mask a@b.png --mask c#d.png@12 --mask e.png@0#007",
      [
        { id: "1", mask: "a@b.png" },
        { id: "2", frame: 12, mask: "c#d.png" },
        { id: "7", mask: "e.png" },
      ],
    ],
  ])("%s", (line, expected) => {
    expect(objects(line, videoSyntax)).toEqual(expected);
  });

  test.each([
    ["--point 1,2@x", 'with an optional @FRAME and then an optional #ID, got "1,2@x"'],
    ["--point 1,2#1@3", 'got "1,2#1@3"'],
    ["--point 1,2@-1", 'got "1,2@-1"'],
    ["--box 1,2,3@4", 'got "1,2,3@4"'],
    ["--point 1,2#cat", '--point takes a whole number from 1 to 255 as its #ID, got "1,2#cat"'],
    ["--mask a.png#0", 'got "a.png#0"'],
    ["--mask a.png#256", 'got "a.png#256"'],
    ["--point 1,2#1e2", 'got "1,2#1e2"'],
    ["--point 1,2#1 --point 1,2,-@5#1", 'object "1" has only points that are not on it ("-") on frame 5'],
    ["--box 1,2,3,4@2#1 --box 1,2,3,4@2#1", 'object "1" has a box already'],
    ["--point 1,2 --point 3,4@5", '"--point 1,2#1 --point 3,4@5#2" for two'],
  ])("%s is no prompt", (line, message) => {
    expect(() => objects(line, videoSyntax)).toThrow(UsageError);
    expect(() => objects(line, videoSyntax)).toThrow(message);
  });
});

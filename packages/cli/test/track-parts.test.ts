import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type PlanOptions, planPasses } from "../src/track/plan.ts";
import { readPromptsFile } from "../src/track/prompts-file.ts";
import { temporaryFolder } from "./cli.ts";

const forward = (start: number, last: number) => ({ start, last, reverse: false });
const reverse = (start: number, last: number) => ({ start, last, reverse: true });

test.each<[Partial<PlanOptions>, readonly unknown[]]>([
  [{}, [forward(3, 9)]],
  [{ count: 4 }, [forward(3, 6)]],
  [{ count: 99, start: 8 }, [forward(8, 9)]],
  [{ direction: "reverse" }, [reverse(7, 0)]],
  [{ direction: "reverse", count: 2 }, [reverse(7, 6)]],
  [{ direction: "reverse", count: 8 }, [reverse(7, 0)]],
  [{ direction: "both" }, [forward(3, 9), reverse(3, 0)]],
  [{ direction: "both", count: 2 }, [forward(3, 4), reverse(3, 2)]],
  [{ direction: "both", start: 0 }, [forward(0, 9)]],
])("prompts on frames 7 and 3 of 10, %j", (options, passes) => {
  expect(planPasses({ prompted: [7, 3], frames: 10, direction: "forward", ...options })).toEqual(passes);
});

test.each<[Partial<PlanOptions>, string]>([
  [{ start: 10 }, "tracking starts at frame 10, but the video ends at 9"],
  [{ start: 0, direction: "reverse" }, "--reverse: tracking starts at frame 0, which has none before it"],
])("what cannot be walked: %j", (options, message) => {
  expect(() => planPasses({ prompted: [7, 3], frames: 10, direction: "forward", ...options })).toThrow(message);
});

const folder = temporaryFolder();
const read = (content: string) => {
  const path = join(folder, "prompts.json");
  writeFileSync(path, content);
  return readPromptsFile(path);
};

test("a file of prompts", async () => {
  const pixels = (value: number) => ({ value, percent: false });
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
  expect(await read(JSON.stringify(entries))).toEqual([
    {
      id: "3",
      frame: 0,
      points: [
        { x: pixels(1), y: { value: 50, percent: true }, label: 1 },
        { x: pixels(2.5), y: pixels(3), label: 0 },
      ],
    },
    {
      id: "3",
      frame: 8,
      points: [{ x: pixels(9), y: pixels(9), label: 0 }],
      box: { x0: pixels(0), y0: pixels(1), x1: { value: 30, percent: true }, y1: pixels(4) },
    },
    { id: "255", frame: 0, points: [], mask: join(folder, "masks", "a.png") },
  ]);
});

test.each([
  ["[", /prompts\.json is not JSON/],
  ["{}", /prompts\.json must be a list of prompts/],
  ["[7]", /entry 0 must be an object/],
  ['[{"object": 1, "lables": []}]', /entry 0 has a field "lables", expected object, frame, points, labels, box, mask/],
  ['[{"points": [[1, 2]]}]', /entry 0 must have a whole number from 1 to 255 as its object, got undefined/],
  ['[{"object": 0, "points": [[1, 2]]}]', /as its object, got 0/],
  ['[{"object": 1, "frame": -1, "points": [[1, 2]]}]', /must have a whole number from 0 as its frame, got -1/],
  ['[{"object": 1, "points": [[1, 2, 3]]}]', /a list of \[x, y\], in pixels or percents as its points/],
  ['[{"object": 1, "points": [[1, "x"]]}]', /as its points, got \[ \[ 1, 'x' \] \]/],
  ['[{"object": 1, "points": 1}]', /as its points, got 1/],
  ['[{"object": 1, "points": [[1, 2]], "labels": [1, 1]}]', /a list of 1 times 0 or 1 as its labels, got \[ 1, 1 \]/],
  ['[{"object": 1, "points": [[1, 2]], "labels": [2]}]', /as its labels, got \[ 2 \]/],
  ['[{"object": 1, "labels": [1]}]', /must have a list for its labels as its points/],
  [
    '[{"object": 1, "box": [5, 1, 4, 9]}]',
    /with x0 < x1 and y0 < y1, in pixels or percents \(.* --box-format xywh\), as its box/,
  ],
  ['[{"object": 1, "box": [1, 2, 3]}]', /as its box, got \[ 1, 2, 3 \]/],
  ['[{"object": 1, "mask": ""}]', /must have a path as its mask/],
  ['[{"object": 1}]', /entry 0 shows nothing of the object/],
  ['[{"object": 1, "points": [[1, 2]], "labels": [0]}]', /entry 0 shows nothing of the object/],
  [
    '[{"object": 1, "mask": "a"}, {"object": 1, "points": [[1, 2]]}]',
    /entry 1 is about object 1 on frame 0, as entry 0 is/,
  ],
])("no prompts: %s", async (content, message) => {
  await expect(read(content)).rejects.toMatchObject({
    name: "PromptError",
    code: "prompts-invalid",
    message: expect.stringMatching(message),
  });
});

test("a file that is not there", async () => {
  await expect(readPromptsFile(join(folder, "none.json"))).rejects.toMatchObject({ code: "prompts-unreadable" });
});

/** What language models get from the extension's tools. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { registerTools, type Segmenter } from "../src/tools.ts";
import {
  CancellationTokenSource,
  fakeContext,
  LanguageModelDataPart,
  type LanguageModelToolResult,
  openFolders,
  registered,
  resetFake,
  trust,
} from "./fake/vscode.ts";

let folder: string;
let asked: unknown[];
beforeEach(() => {
  resetFake();
  asked = [];
  folder = mkdtempSync(join(tmpdir(), "masklet-tools-"));
  openFolders(folder);
  const segment: Segmenter = async (image, input) => {
    asked.push([image.path, input]);
    const rle = { size: [2, 2], counts: "04" } as const;
    return { score: 0.9, area: 4, box: { x: 0, y: 0, width: 2, height: 2 }, rle, png: Uint8Array.of(1, 2, 3).buffer };
  };
  registerTools(fakeContext(folder, folder), segment);
  const instances = {
    images: [
      { id: 1, file_name: "a.png", width: 10, height: 10 },
      { id: 2, file_name: "b.png", width: 10, height: 10 },
    ],
    categories: [{ id: 1, name: "cat" }],
    annotations: [
      {
        id: 1,
        image_id: 1,
        category_id: 1,
        bbox: [1, 1, 4, 4],
        area: 16,
        iscrowd: 0,
        segmentation: [[1, 1, 5, 1, 5, 5, 1, 5]],
      },
      {
        id: 2,
        image_id: 1,
        category_id: 9,
        bbox: [1, 1, 4, 4],
        area: 16,
        iscrowd: 0,
        segmentation: [[1, 1, 5, 1, 5, 5, 1, 5]],
      },
    ],
  };
  mkdirSync(join(folder, "set"));
  writeFileSync(join(folder, "set", "instances.json"), JSON.stringify(instances));
  writeFileSync(join(folder, "set", "a.png"), "");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function invoke(name: string, input: object): Promise<LanguageModelToolResult> {
  const tool = registered.tools.get(name);
  const options = { input, toolInvocationToken: undefined };
  return (await tool?.invoke(options, new CancellationTokenSource().token)) as LanguageModelToolResult;
}
const textOf = ({ content: [part] }: LanguageModelToolResult): Record<string, unknown> =>
  JSON.parse(part !== undefined && "value" in part ? part.value : "{}");

test("findings are counted and placed, of a folder and of a file", async () => {
  const folderResult = textOf(await invoke("masklet_labels_check", { path: "set" }));
  expect(folderResult).toMatchObject({ format: "coco", images: 2, objects: 1, errors: 1 });
  expect(JSON.stringify(folderResult["findings"])).toContain("9");
  expect(textOf(await invoke("masklet_labels_check", { path: "set/instances.json" }))).toMatchObject({ errors: 1 });
});

test("a dataset is counted", async () => {
  expect(textOf(await invoke("masklet_dataset_stats", { path: "set" }))).toMatchObject({
    format: "coco",
    images: 2,
    objects: 1,
  });
});

test("an object comes with a picture of it; a draft is confirmed first, and refused where nothing is trusted", async () => {
  const input = { image: "set/a.png", points: [[3, 3]] };
  const result = await invoke("masklet_segment", input);
  expect(textOf(result)).toMatchObject({ score: 0.9, area: 4 });
  expect(result.content[1]).toBeInstanceOf(LanguageModelDataPart);
  expect(asked).toEqual([[join(folder, "set", "a.png"), input]]);
  const prepare = (one: object): unknown =>
    registered.tools.get("masklet_segment")?.prepareInvocation?.({ input: one }, new CancellationTokenSource().token);
  expect(prepare(input)).not.toHaveProperty("confirmationMessages");
  expect(prepare({ ...input, addDraft: true })).toHaveProperty("confirmationMessages");
  trust(false);
  await expect(invoke("masklet_segment", { ...input, addDraft: true })).rejects.toMatchObject({
    code: "labels-read-only",
  });
});

test.each(["../outside.json", "/etc/passwd", "set/../../x", "nothing"])("%s is not opened", async (path) => {
  await expect(invoke("masklet_labels_check", { path })).rejects.toMatchObject({ code: "not-found" });
});

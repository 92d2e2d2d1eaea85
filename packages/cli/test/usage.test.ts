import { copyFileSync } from "node:fs";
import process from "node:process";
import { expect, test } from "vitest";
import { version } from "../src/version.ts";
import { cli, emptyCache, type RunResult, records, scene, temporaryFolder } from "./cli.ts";

test.each([
  ["", "needs a command: segment, cutout, track, annotate, inspect, models, convert, labels, eval, mcp or doctor"],
  [
    "frobnicate",
    'takes segment, cutout, track, annotate, inspect, models, convert, labels, eval, mcp or doctor as its command, got "frobnicate"',
  ],
  ["constructor", 'got "constructor"'],
  ["segment", "needs an image"],
  ["segment a.png", "needs at least one --point, --box or --mask"],
  ["segment a.png --points 1,2", "--points"],
  ["segment a.png --point", "--point"],
  ["segment a.png --point --json", "--point"],
  [
    "segment a.png --point 1,2 --format cutout,gif",
    '--format takes cutout, mask, overlay, svg, label, coco or json, got "gif"',
  ],
  ["segment a.png --point 1,2 --format=", '--format takes cutout, mask, overlay, svg, label, coco or json, got ""'],
  ["segment a.png --point 1,2 --device gpu", '--device takes cpu, webgpu, cuda, coreml or dml, got "gpu"'],
  ["segment a.png --point 1,2 --backend tf", '--backend takes ort, tfjs or reference, got "tf"'],
  [
    "segment a.png --point 1,2 --backend tfjs --device webgpu",
    '--device takes node-gpu, node, wasm or cpu, got "webgpu"',
  ],
  ["segment a.png --point 1,2 --dtype int8", '--dtype takes fp32, fp16, q8 or q4, got "int8"'],
  ["segment a.png --point 1,2 --backend tfjs --threads 2", "--threads 2 is for --backend ort, not for tfjs"],
  ["segment a.png --point 1,2 --backend tfjs --model-cache models", "--model-cache models is for --backend ort"],
  ["segment a.png --point 1,2 --backend reference --device webgpu", "--device webgpu"],
  ["segment a.png --point 1,2 --threads 0", '--threads takes a whole number from 1 to 1024, got "0"'],
  ["segment a.png --point 1,2 --threads two", 'got "two"'],
  ["segment a.png --point 1,2 --refine 1.5", '--refine takes a whole number from 1 to 100, got "1.5"'],
  ["segment a.png --point 1,2 --refine 2 --multimask", "--refine"],
  ["segment a.png --point 1,2 --feather -1", "--feather"],
  ["segment a.png --point 1,2 --feather=-1", '--feather takes a number from 0 to 4096, got "-1"'],
  ["segment a.png --point 1,2 --padding 4", "--padding 4 needs --crop"],
  ["segment a.png --point 1,2 --mask-threshold x", '--mask-threshold takes a number, got "x"'],
  ["segment a.png --point 1,2 --max-hole-area 0.5", '--max-hole-area takes a whole number from 0, got "0.5"'],
  ["segment a.png --point 1,2 -o -", "-o - takes exactly one --format, got cutout,mask,overlay,json"],
  ["segment a.png b.png --point 1,2 -o - --format mask", "-o - takes exactly one result, but there are 2"],
  ["segment a.png --box 1,2,3,4 --box 5,6,7,8 -o - --format mask", "there are 2"],
  ["segment a.png --point 1,2 --multimask -o - --format cutout", "there are 3"],
  ["segment a.png --point 1,2 -o - --format json --json", "--json and -o -"],
  ["segment a.png --point 1,2 -o - --format mask --skip-existing", "--skip-existing is for results in files"],
  ["segment a.png --point 1,2 --json --skip-existing", "--skip-existing is for results in files"],
  ["segment - - --point 1,2", "standard input (-) can be read only once"],
  ["track", "takes one VIDEO, got 0"],
  ["track a b --point 1,2 -o out", "takes one VIDEO, got 2"],
  ["track a -o out", "needs at least one --point, --box or --mask, or --prompts"],
  ["track a --point 1,2", "needs -o DIR"],
  ["track a --point 1,2 -o out --reverse --both", "--reverse is backwards only"],
  ["track a --point 1,2 -o out --resume --overwrite", "--resume goes on, --overwrite begins anew"],
  ["track a --point 1,2 -o out --count 0", '--count takes a whole number from 1, got "0"'],
  ["track a --point 1,2 -o out --start x", '--start takes a whole number from 0, got "x"'],
  ["track a --point 1,2 -o out --max-conditioning-frames 1", "takes a whole number from 2"],
  [
    "track a --point 1,2 -o out --format gif",
    '--format takes mask, objects, json, overlay, cutout or cutout-png, got "gif"',
  ],
  ["track a --point 1,2 -o out --effect overlay", "--effect takes cutout, blur, grey, spotlight or erase"],
  ["track out/masks --point 1,2 -o out", "out/masks is read, and could be replaced by a result"],
  ["track out/overlay.mp4 --point 1,2 -o out", "out/overlay.mp4 is read"],
  ["track a --mask out/objects/1/00000.png -o out", "out/objects/1/00000.png is read"],
  ["inspect", "takes one MODEL, got 0"],
  ["inspect a b", "takes one MODEL, got 2"],
  ["inspect nano --svg a.svg", "--svg a.svg needs --profile"],
  ["inspect nano --profile --nodes -1", "--nodes"],
  ["inspect nano --profile --backend tfjs --threads 2", "--threads 2 is for --backend ort, not for tfjs"],
  ["models", "needs list, use, pull, path, verify or remove"],
  ["models fetch x", 'got "fetch"'],
  ["models list sam2.1-hiera-tiny", "list takes no names"],
  ["models pull", "pull needs the name of a model"],
  ["models pull sam2.1-hiera-tiny --from disk", '--from takes hub or meta, got "disk"'],
  ["models path sam2.1-hiera-tiny --from hub", "--from is for pull"],
  ["doctor --what", "--what"],
  ["doctor now", "now"],
])("masklet %s", async (line, message) => {
  const { code, stdout, stderr } = await cli(line.split(" ").filter((word) => word !== ""));
  expect(stderr).toContain(message);
  expect(stderr).toMatch(/^masklet( segment| track| inspect| models| eval| doctor)?: .*\nTry "masklet.* --help".\n$/);
  expect(code).toBe(2);
  expect(stdout.length).toBe(0);
});

test.each([
  ["segmnet a.png", 'got "segmnet"; did you mean segment?'],
  ["segment a --point 1,2 --modle nano", "Unknown option '--modle'; did you mean --model?"],
  ["segment a --point 1,2 --format cutuot", 'got "cutuot"; did you mean cutout?'],
  ["segment a --point 1,2 --device cuba", 'got "cuba"; did you mean cuda?'],
  ["models pul x", 'got "pul"; did you mean pull?'],
  ["help segmnet", "got segmnet; did you mean segment?"],
  ["help segment track", "got segment track"],
  ["segment a --point 1,2 --crop --format mask", "--crop is for cutouts, and --format mask has none"],
  ["segment a --point 1,2 --webp --format json,svg", "--webp is for cutouts"],
  ["segment a --point 1,2 --feather 2 --json", "--feather is for cutouts"],
  ["segment a --point 1,2 --tolerance 2", "--tolerance is for svgs"],
  ["segment a --box 10,10,5,5", 'X0 < X1 and Y0 < Y1, got "10,10,5,5"; for X,Y,W,H give --box-format xywh'],
  ["segment a --box 10,10,0,5 --box-format xywh", "W and H more than 0"],
  ["segment a --box 10,10,50%,5 --box-format xywh", "each in pixels or percents as its X or Y"],
  ["segment a --box 10,10,5 --box-format xywh", '--box takes X,Y,W,H with an optional #ID, got "10,10,5"'],
  ["segment a --box 1,2,3,4 --box-format coco", "--box-format takes xyxy or xywh"],
])("masklet %s: what was meant", async (line, message) => {
  const { code, stderr } = await cli(line.split(" "));
  expect(stderr.split("\n")[0]).toContain(message);
  expect(code).toBe(2);
});

test("masklet help COMMAND is COMMAND --help", async () => {
  for (const name of ["segment", "track", "inspect", "models", "eval", "doctor"]) {
    expect(await cli(["help", name])).toEqual(await cli([name, "--help"]));
  }
  expect(await cli(["help"])).toEqual(await cli(["--help"]));
});

test("a file whose name begins with a dash", async () => {
  const here = process.cwd();
  process.chdir(temporaryFolder());
  try {
    copyFileSync(scene, "-scene.png");
    const line = ["--point", "1,2", "--json", "-m", "nano"];
    expect((await cli(["segment", "-scene.png", ...line])).stderr).toContain("; the file of that name is ./-scene.png");
    for (const args of [
      ["./-scene.png", ...line],
      [...line, "--", "-scene.png"],
    ]) {
      expect((await cli(["segment", ...args])).code).toBe(0);
    }
  } finally {
    process.chdir(here);
  }
});

test("negative numbers are values", async () => {
  const line = ["segment", scene, "-m", "nano", "--json"];
  const { code, stderr } = await cli([...line, "--point", "-5,10"]);
  expect(stderr).toMatch(/^masklet segment: .*-5.*\[out-of-image\]\n$/);
  expect(code).toBe(1);
  expect((await cli([...line, "--box", "-.5,-0.5,200,200", "--mask-threshold", "-1"])).code).toBe(0);
});

test("boxes as COCO has them, and a word where one leaves the image", async () => {
  const line = ["segment", scene, "-m", "nano", "--json"];
  const prompt = (result: RunResult): unknown => records(result)[0]?.annotations[0]?.prompt;
  const coco = await cli([...line, "--box", "45,35,179,174", "--box-format", "xywh"]);
  expect([coco.stderr, prompt(coco)]).toEqual(["", { box: [45, 35, 224, 209] }]);
  const shares = await cli([...line, "--box", "50%,25%,25%,50%", "--box-format", "xywh"]);
  expect(prompt(shares)).toEqual({ box: [320, 160, 480, 480] });
  const large = await cli([...line, "--box", "300,300,600,700"]);
  expect(large.stderr).toBe(
    "masklet segment: --box from 300,300 to 600,700 leaves the picture of 640x640: it was read as X0,Y0,X1,Y1; " +
      "for X,Y,W,H give --box-format xywh\n",
  );
  expect(large.code).toBe(0);
  const outside = await cli([...line, "--box", "300,300,400,400", "--box-format", "xywh"]);
  expect(outside.stderr).toContain("for X0,Y0,X1,Y1 give --box-format xyxy");
});

test.each([
  ["sam2.1-hiera-tin", "did you mean sam2.1-hiera-tiny?"],
  ["sam2.1_hiera_tiny", "did you mean sam2.1-hiera-tiny?"],
  ["nanno", "did you mean nano?"],
])("--model %s", async (model, message) => {
  const { stderr } = await cli(["segment", scene, "--point", "1,2", "--json", "--model", model]);
  expect(stderr).toContain(message);
});

test.each([
  ["--help", ["segment IMAGE", "inspect MODEL", "doctor", "Exit codes"]],
  [
    "segment --help",
    ["--point X,Y[,+|-][#ID]", "--box X0,Y0,X1,Y1[#ID]", "--multimask", "scene.ID.1.mask.png", "Examples:"],
  ],
  ["track --help", ["--box X0,Y0,X1,Y1[@FRAME][#ID]", "--resume", "DIR/masks/00000.png", "Examples:"]],
  ["inspect -h", ["MODEL", "--json", "Examples:"]],
  ["doctor --help", ["--json", "Examples:"]],
])("masklet %s", async (line, parts) => {
  const { code, stdout, stderr } = await cli(line.split(" "));
  for (const part of parts) expect(stdout.toString()).toContain(part);
  for (const row of stdout.toString().split("\n")) expect(row.length).toBeLessThanOrEqual(120);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
});

test("every option of segment is in its help", async () => {
  const { stdout } = await cli(["segment", "--help"]);
  const shown = [...stdout.toString().matchAll(/^ {2}(?:-\w,| {3}) --([\w-]+)/gm)].map(([, name]) => name);
  expect(shown).toEqual([
    ...["point", "box", "mask", "box-format", "multimask", "refine"],
    ...["everything", "points-per-side", "point-grids", "points-per-batch", "pred-iou-thresh"],
    ...["stability-score-thresh", "stability-score-offset", "box-nms-thresh", "crop-n-layers", "crop-nms-thresh"],
    ...["crop-overlap-ratio", "crop-n-points-downscale-factor", "min-mask-region-area", "use-m2m"],
    ...["no-multimask-output", "region", "known", "adaptive"],
    ...["detector", "text", "text-model", "detector-layout", "names", "conf", "iou", "imgsz", "max-det", "classes"],
    ...["format", "output", "skip-existing", "json", "crop", "padding", "webp", "feather"],
    ...["output-mode", "label-order", "tolerance"],
    ...["model", "offline", "config", "dtype", "backend", "device", "threads", "model-cache"],
    ...["max-pixels", "mask-threshold", "max-hole-area", "max-speck-area"],
    ...["quiet", "help"],
  ]);
});

test("masklet --version", async () => {
  expect((await cli(["--version"])).stdout.toString()).toBe(`${version}\n`);
});

test.each([
  ["sam2.1-hiera-tiny", "HF_HUB_OFFLINE", "[offline]"],
  ["no-such-model.pt", "no-such-model.pt", "[not-found]"],
])("--model %s, which is not here", async (model, part, code) => {
  const result = await cli(["segment", scene, "--point", "1,2", "--json", "--model", model], { env: emptyCache });
  expect(result.code).toBe(1);
  expect(result.stderr).toContain(part);
  expect(result.stderr.trimEnd().endsWith(code)).toBe(true);
});

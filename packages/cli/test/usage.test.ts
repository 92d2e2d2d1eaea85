import { expect, test } from "vitest";
import { version } from "../src/version.ts";
import { cli, emptyCache, scene } from "./cli.ts";

test.each([
  ["", "needs a command: segment, track, inspect, models, eval or doctor"],
  ["frobnicate", 'takes segment, track, inspect, models, eval or doctor as its command, got "frobnicate"'],
  ["constructor", 'got "constructor"'],
  ["segment", "needs an image"],
  ["segment a.png", "needs at least one --point, --box or --mask"],
  ["segment a.png --points 1,2", "--points"],
  ["segment a.png --point", "--point"],
  ["segment a.png --point -1,2", "--point"],
  ["segment a.png --point 1,2 --format cutout,gif", '--format takes cutout, mask, overlay, json or svg, got "gif"'],
  ["segment a.png --point 1,2 --format=", '--format takes cutout, mask, overlay, json or svg, got ""'],
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
  ["track a --point 1,2 -o out --format gif", '--format takes objects, json, overlay, alpha or alpha-png, got "gif"'],
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
    ...["point", "box", "mask", "multimask", "refine"],
    ...["output", "format", "skip-existing", "json", "crop", "padding", "feather", "webp", "tolerance"],
    ...["model", "offline", "config", "dtype", "backend", "device", "threads", "model-cache"],
    ...["mask-threshold", "max-hole-area", "max-speck-area"],
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

import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { againstPython, besideRow } from "./against.ts";
import { work } from "./work.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "masklet-against-"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const tiny = { model: "tiny", threads: 2 };

test("against.py times the rows of the bench", () => {
  const source = readFileSync(new URL("against.py", import.meta.url), "utf8");
  const names = [...source.matchAll(/^ {4}\("(.+)", .+, \d\),$/gm)].map(([, name]) => name);
  expect(names).toEqual(work.map(({ name }) => name));
});

test("nano has nothing to be compared with", async () => {
  const skipped = "no package of its authors has a config for nano";
  expect(await againstPython({ ...tiny, model: "nano" })).toEqual({ skipped });
});

test("no interpreter", async () => {
  const python = join(folder, "none");
  expect(await againstPython({ ...tiny, python })).toEqual({
    skipped: `${python} did not start; --python names a Python`,
  });
  vi.stubEnv("PATH", folder);
  expect(await againstPython(tiny)).toEqual({ skipped: "python3 and python did not start; --python names a Python" });
});

describe.skipIf(process.platform === "win32")("a shell script as the interpreter (none on Windows)", () => {
  const interpreter = (body: string, name = "python3"): string => {
    const path = join(folder, name);
    writeFileSync(path, `#!/bin/sh\n[ "$1" = --version ] && exit\n${body}\n`);
    chmodSync(path, 0o755);
    return path;
  };

  test("its times stand beside the rows, as how many times as fast ours are", async () => {
    const python = interpreter(`
      echo "$2 $3 $4" >&2
      echo "a library's greeting"
      echo '{"torch": "2.0", "peak": 200, "milliseconds": {"decode one click": 30, "encode one image": 1000}}'`);
    const written = vi.spyOn(process.stderr, "write").mockReturnValue(true);
    const against = await againstPython({ ...tiny, python });
    expect(written.mock.calls.join("")).toContain("configs/sam2.1/sam2.1_hiera_t.yaml --threads 2");
    written.mockRestore();
    const row = { milliseconds: 20 };
    expect(besideRow({ ...row, name: "decode one click" }, against)).toEqual(["PyTorch 30.0 ms", "1.50 times as fast"]);
    expect(besideRow({ ...row, name: "encode one image" }, against)).toEqual([
      "PyTorch 1000.0 ms",
      "50.00 times as fast",
    ]);
    expect(besideRow({ ...row, name: "encode one memory" }, against)).toEqual(["", ""]);
  });

  test.each([
    ["base-plus", "configs/sam2.1/sam2.1_hiera_b+.yaml"],
    ["edgetam", "configs/edgetam.yaml"],
    ["efficienttam-s-1", "configs/efficienttam/efficienttam_s_1.yaml"],
    ["efficienttam-ti-512", "configs/efficienttam/efficienttam_ti_512x512.yaml"],
  ])("%s is its authors' %s", async (model, config) => {
    const python = interpreter('echo "{\\"skipped\\": \\"$2\\"}"');
    expect(await againstPython({ ...tiny, model, python })).toEqual({ skipped: config });
  });

  test("what it lacks is told, and nothing stands beside the rows", async () => {
    const against = await againstPython({ ...tiny, python: interpreter(`echo '{"skipped": "no torch"}'`) });
    expect(against).toEqual({ skipped: "no torch" });
    expect(besideRow({ name: "decode one click", milliseconds: 20 }, against)).toEqual([]);
  });

  test("a failure is told by the last line of what it says", async () => {
    const last = "RuntimeError: of a kind";
    const written = vi.spyOn(process.stderr, "write").mockReturnValue(true);
    for (const [body, told] of [
      [`echo Traceback >&2; echo '${last}' >&2; exit 1`, `exit code 1, ${last}`],
      ["exit 3", "exit code 3"],
      [`echo '${last}' >&2; kill -9 $$`, `SIGKILL, ${last}`],
      ["exit 0", "Unexpected end of JSON input"],
    ] as const) {
      const python = interpreter(body);
      expect(await againstPython({ ...tiny, python })).toEqual({ skipped: `${python} failed: ${told}` });
    }
    written.mockRestore();
  });

  test("python, where there is no python3", async () => {
    interpreter(`echo '{"skipped": "this is python"}'`, "python");
    vi.stubEnv("PATH", folder);
    expect(await againstPython(tiny)).toEqual({ skipped: "this is python" });
  });

  test("an interruption ends it", async () => {
    const started = join(folder, "pid");
    const python = interpreter(`echo $$ > ${started}.part; mv ${started}.part ${started}; exec sleep 60`);
    const interruption = new AbortController();
    const running = againstPython({ ...tiny, python, signal: interruption.signal });
    await vi.waitUntil(() => existsSync(started), { timeout: 10_000 });
    const pid = Number(readFileSync(started, "utf8"));
    expect(process.kill(pid, 0)).toBe(true);
    interruption.abort();
    expect(await running).toEqual({ skipped: "interrupted" });
    await vi.waitUntil(() => !alive(pid), { timeout: 10_000 });
  });

  const hasPython = spawnSync("python3", ["--version"]).status === 0;
  test.skipIf(!hasPython)("against.py tells what is missing (needs python3)", async () => {
    // Found before any torch that is installed.
    const torch = join(folder, "torch.py");
    vi.stubEnv("PYTHONPATH", folder);
    vi.stubEnv("PYTHONDONTWRITEBYTECODE", "1");
    writeFileSync(torch, `raise ImportError("none here")`);
    const without = { skipped: expect.stringMatching(/ has no torch: none here$/) };
    expect(await againstPython({ ...tiny, python: "python3" })).toEqual(without);
    writeFileSync(torch, "");
    writeFileSync(join(folder, "sam2.py"), "");
    const lacking = { skipped: expect.stringMatching(/ has torch, but not Meta's package sam2: No module named/) };
    expect(await againstPython({ ...tiny, python: "python3" })).toEqual(lacking);
  });
});

function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

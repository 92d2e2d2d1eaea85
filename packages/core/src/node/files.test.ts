import { chmod, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { hubSettings } from "./download/settings.ts";
import { parseJson, systemReason, temporaryBeside } from "./files.ts";
import { writeFileAtomic } from "./image.ts";
import { cacheFolder, listCachedModels, resolveModel } from "./resolve.ts";
import { openVideo } from "./video/video-file.ts";

vi.mock("node:os", async (original) => {
  const real = await original<typeof import("node:os")>();
  return { ...real, homedir: vi.fn(real.homedir), tmpdir: vi.fn(real.tmpdir) };
});

let root = "";
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "masklet-files-"));
});
afterEach(async () => {
  vi.mocked(homedir).mockReset();
  vi.mocked(tmpdir).mockReset();
  await rm(root, { recursive: true });
});

const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

test.each([
  ["255 bytes", "x".repeat(251)],
  ["255 bytes of three each", `${"あ".repeat(83)}ab`],
  ["238 bytes", "y".repeat(234)],
])("a name of %s is written, and nothing else is left", async (_, stem) => {
  await writeFileAtomic(join(root, `${stem}.txt`), "whole");
  expect(await readdir(root)).toEqual([`${stem}.txt`]);
  expect(await readFile(join(root, `${stem}.txt`), "utf8")).toBe("whole");
});

test("what the file system does not take is said in words", async () => {
  const error = await rejection(writeFileAtomic(join(root, "x".repeat(256)), ""));
  expect(error).toMatchObject({ code: "write-failed" });
  expect(String(error)).toMatch(/x cannot be written: the name is too long for the file system \(ENAMETOOLONG\)$/);
});

test("a short name stays whole in the temporary one, by which an unfinished file is known", () => {
  expect(temporaryBeside(join("out", "a.png"))).toMatch(/^out.\.a\.png\.[0-9a-f]{12}\.tmp$/);
});

test("the folder is made", async () => {
  await writeFileAtomic(join(root, "a", "b", "c.txt"), "deep");
  expect(await readFile(join(root, "a", "b", "c.txt"), "utf8")).toBe("deep");
});

test("a file in the way of a folder", async () => {
  await writeFileAtomic(join(root, "a"), "");
  const error = await rejection(writeFileAtomic(join(root, "a", "b.txt"), ""));
  expect(String(error)).toMatch(/b\.txt cannot be written: a part of its path is a file, not a folder \(ENOTDIR\)$/);
});

test("an error that is not the system's keeps its words", () => {
  expect(systemReason(new Error("no"))).toBe("no");
});

test.each([
  ["UTF-8", Buffer.from('{"a":"é"}')],
  ["UTF-8 with a mark", Buffer.from('\ufeff{"a":"é"}')],
  ["UTF-16 of Windows", Buffer.from('\ufeff{"a":"é"}', "utf16le")],
  ["UTF-16, big end first", Buffer.from('\ufeff{"a":"é"}', "utf16le").swap16()],
  ["text with a mark", '\ufeff{"a":"é"}'],
])("JSON in %s", (_, json) => {
  expect(parseJson(json)).toEqual({ a: "é" });
});

test("without a home only what lies there is missed", async () => {
  vi.mocked(homedir).mockImplementation(() => {
    throw new Error("A system error occurred: uv_os_homedir returned ENOENT");
  });
  const checkpoint = join(root, "model.pt");
  await writeFileAtomic(checkpoint, "");
  expect(await resolveModel(checkpoint, { env: {} })).toEqual({ checkpoint });
  expect(await listCachedModels({})).toEqual([]);
  expect(cacheFolder({ HF_HOME: "/models" })).toBe(join("/models", "hub"));
  expect(await hubSettings({})).toMatchObject({ token: undefined });
  expect(() => cacheFolder({})).toThrow(expect.objectContaining({ code: "no-home" }));
  expect(await rejection(resolveModel("sam2.1-hiera-tiny", { env: {} }))).toMatchObject({ code: "no-home" });
});

test.runIf(process.platform === "linux" && process.getuid?.() !== 0)("a temporary folder without rights", async () => {
  await chmod(root, 0o500);
  vi.mocked(tmpdir).mockReturnValue(root);
  const error = await rejection(openVideo(new Uint8Array(8)));
  expect(error).toMatchObject({ name: "MaskletError", code: "write-failed" });
});

test("a temporary folder that is not there", async () => {
  vi.mocked(tmpdir).mockReturnValue(join(root, "gone"));
  const error = await rejection(openVideo(new Uint8Array(8)));
  expect(error).toMatchObject({ name: "MaskletError", code: "write-failed" });
  expect(String(error)).toContain("set TMPDIR");
});

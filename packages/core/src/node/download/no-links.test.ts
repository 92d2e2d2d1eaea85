import { lstat, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ModelServer, sha256 } from "../../../test/model-server.ts";
import { downloadModel } from "./download.ts";
import { removeModel, verifyModel } from "./manage.ts";

/** What this file system cannot do. */
const impossible = vi.hoisted(() => new Set<string>());
vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof import("node:fs/promises")>();
  const refuse = (what: string): Promise<never> =>
    Promise.reject(Object.assign(new Error(`EPERM: ${what}`), { code: "EPERM", syscall: what }));
  const symlink: typeof real.symlink = (...args) =>
    impossible.has("symlink") ? refuse("symlink") : real.symlink(...args);
  const link: typeof real.link = (...args) => (impossible.has("link") ? refuse("link") : real.link(...args));
  return { ...real, symlink, link };
});

let root = "";
const hub = new ModelServer();
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "masklet-no-links-"));
  await hub.start();
});
afterEach(async () => {
  await hub.stop();
  await rm(root, { recursive: true });
});

test.each([
  [["symlink"], 2, 5000],
  [["symlink", "link"], 1, 10_000],
] as const)("without %j", async (without, links, bytes) => {
  for (const what of without) impossible.add(what);
  const weights = new Uint8Array(5000).fill(links);
  hub.files.set("me/mine/model.safetensors", { bytes: weights, lfs: true });
  const options = { env: { HF_HOME: root, HF_ENDPOINT: hub.endpoint } };
  const { checkpoint } = await downloadModel("me/mine", options);
  expect([(await lstat(checkpoint)).isFile(), (await lstat(checkpoint)).nlink]).toEqual([true, links]);
  expect(sha256(await readFile(checkpoint))).toBe(sha256(weights));
  expect(await readdir(join(checkpoint, ".."))).toEqual(["model.safetensors"]);
  expect(await verifyModel("me/mine", options)).toMatchObject([{ expected: sha256(weights), intact: true }]);
  expect(await removeModel("me/mine", options)).toBe(bytes + 40);
});

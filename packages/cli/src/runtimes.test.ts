import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BackendError, MaskletError } from "@masklet/core/node";
import { afterAll, describe, expect, test } from "vitest";
import { modelSettings } from "./model-options.ts";
import { missingRuntime } from "./runtimes.ts";

const root = mkdtempSync(join(tmpdir(), "masklet-runtimes-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const error = new BackendError("runtime-missing", "in the library's words", {
  details: {
    package: "onnxruntime-node",
    problem: "is not installed",
    install: "ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node@1.2.3",
  },
});

/** Where the command lies in a folder that npm installs into. */
const below = (folder: string): string => join(folder, "node_modules", "@masklet", "cli", "dist", "main.js");

describe("what installs a missing runtime, where the command is installed", () => {
  const project = join(root, "a project");
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), "{}");

  test.each([
    { where: "in the project at hand", file: below(project), cwd: project, options: "" },
    {
      where: "in another, or in npx's",
      file: below(project),
      cwd: root,
      options: ` --prefix ${JSON.stringify(project)}`,
    },
    { where: "globally", file: below(root), cwd: project, options: " -g" },
    { where: "in no node_modules", file: join(root, "main.js"), cwd: root, options: "" },
  ])("$where", ({ file, cwd, options }) => {
    expect(missingRuntime(error, { file, cwd })?.message).toBe(
      `onnxruntime-node is not installed; this installs it: ONNXRUNTIME_NODE_INSTALL=skip npm install${options} onnxruntime-node@1.2.3`,
    );
  });

  test("nothing does where there is no build", () => {
    const details = { package: "onnxruntime-node", problem: "has no build for linux riscv64" };
    const missing = missingRuntime(new BackendError("runtime-missing", "", { details }));
    expect(missing?.message).toBe("onnxruntime-node has no build for linux riscv64");
  });

  test("other errors are none of it", () => {
    expect(missingRuntime(new MaskletError("write-failed", "full"))).toBeUndefined();
    expect(missingRuntime(new BackendError("device-unavailable", "no cuda"))).toBeUndefined();
  });
});

test.each([
  [{}, true],
  [{ backend: "ort" }, false],
  [{ device: "cpu" }, false],
  [{ threads: "2" }, false],
  [{ "model-cache": "cache" }, false],
  [{ dtype: "q8" }, false],
] as const)("another backend may stand in only where nothing is asked of ONNX Runtime: %o", (values, elseTfjs) => {
  expect(modelSettings(values).backend).toMatchObject({ name: "ort", elseTfjs });
});

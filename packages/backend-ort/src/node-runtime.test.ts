import { readFileSync } from "node:fs";
import { BackendError } from "@masklet/core/backend";
import { describe, expect, test } from "vitest";
import { runtimeMissing } from "./errors.ts";
import { nodeRuntimeMissing } from "./node-runtime.ts";

const { peerDependencies } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  readonly peerDependencies: Readonly<Record<"onnxruntime-node" | "onnxruntime-web", string>>;
};
const version = peerDependencies["onnxruntime-node"];

const linux = { platform: "linux", arch: "x64" };

describe("onnxruntime-node", () => {
  test("that is not installed: the command leaves out the script that needs NuGet", () => {
    const cause = Object.assign(new Error("Cannot find package 'onnxruntime-node' imported from /a/node.js"), {
      code: "ERR_MODULE_NOT_FOUND",
    });
    const error = nodeRuntimeMissing(cause, linux);
    expect(error).toBeInstanceOf(BackendError);
    expect(error).toMatchObject({ code: "runtime-missing", cause });
    expect(error.message).toBe(
      `onnxruntime-node is not installed; install it (ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node@${version}), or hand over a runtime as \`ort\``,
    );
    // Elsewhere there is no such script, and the shell may not know the form.
    expect(nodeRuntimeMissing(cause, { platform: "win32", arch: "x64" }).message).toContain(
      `(npm install onnxruntime-node@${version})`,
    );
  });

  test("that does not load says why", () => {
    const cause = new Error("Error loading shared library ld-linux-x86-64.so.2");
    expect(nodeRuntimeMissing(cause, linux).message).toMatch(
      /^onnxruntime-node cannot be loaded: Error loading shared library ld-linux-x86-64\.so\.2; .*@masklet\/backend-tfjs/,
    );
  });

  test("on a machine that it has no build for: installing it is no advice", () => {
    const cause = Object.assign(new Error("Cannot find module '../bin/napi-v6/darwin/x64/onnxruntime_binding.node'"), {
      code: "MODULE_NOT_FOUND",
    });
    const { message } = nodeRuntimeMissing(cause, { platform: "darwin", arch: "x64" });
    expect(message).toBe(
      "onnxruntime-node has no build for darwin x64; take @masklet/backend-tfjs, which needs no binary, or hand over a runtime as `ort`",
    );
  });
});

test("onnxruntime-web: the version that package.json asks for", () => {
  const error = runtimeMissing(new TypeError("Failed to resolve module specifier"), { name: "onnxruntime-web" });
  expect(error.message).toContain(`(npm install onnxruntime-web@${peerDependencies["onnxruntime-web"]})`);
});

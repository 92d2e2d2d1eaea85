import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { expect, test } from "vitest";

/** An ONNX model of one node, y = Identity(x): enough for the runtime to start. */
const IDENTITY = "CAg6NwoQCgF4EgF5IghJZGVudGl0eRIBZ1oPCgF4EgoKCAgBEgQKAggBYg8KAXkSCgoICAESBAoCCAFCAhAR";

/**
 * A user's process: no opt-out in its environment, and not recognised as CI, where the runtime would be silent by
 * itself. Once it reports, it keeps an identifier of the device and a queue of events under the home folder.
 */
const program = `
  import { createOrtBackend } from "@masklet/backend-ort/node";
  import ort from "onnxruntime-node";
  const backend = await createOrtBackend();
  const session = await ort.InferenceSession.create(Buffer.from("${IDENTITY}", "base64"));
  const { y } = await session.run({ x: new ort.Tensor("float32", [3], [1]) });
  if (y.data[0] !== 3) throw new Error("the runtime did not run");
  await backend.dispose();
`;

test("the runtime that the backend loads keeps no identifier and reports nothing", () => {
  const home = mkdtempSync(join(tmpdir(), "masklet-home-"));
  try {
    execFileSync(process.execPath, ["--conditions=@masklet/source", "--input-type=module", "--eval", program], {
      cwd: join(import.meta.dirname, ".."),
      env: { PATH: process.env["PATH"], SystemRoot: process.env["SystemRoot"], HOME: home, LOCALAPPDATA: home },
      stdio: ["ignore", "ignore", "pipe"],
    });
    expect(readdirSync(home, { recursive: true })).toEqual([]);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});

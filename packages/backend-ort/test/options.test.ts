import { called, testOptions, wrong } from "@masklet/core/test/options-suite";
import { expect, test } from "vitest";
import {
  availableDevices,
  createOrtBackend,
  openDetector,
  openSubjectFinder,
  removeBackground,
  segment,
} from "../src/node.ts";

test.each([openDetector, openSubjectFinder])("no file is opened where options are wrong: %o", async (open) => {
  // Nothing would close it.
  await expect(called(open, "none.onnx")).rejects.toMatchObject({ code: "unknown-option" });
});

testOptions([new URL("../etc/node.api.md", import.meta.url)], {
  availableDevices: () => availableDevices(wrong),
  createOrtBackend: () => createOrtBackend(wrong),
  openDetector: () => called(openDetector, new Uint8Array()),
  openSubjectFinder: () => called(openSubjectFinder, new Uint8Array()),
  removeBackground: () => called(removeBackground, "none"),
  segment: () => called(segment, "none", {}),
});

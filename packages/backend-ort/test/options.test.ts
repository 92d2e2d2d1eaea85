import { called, testOptions, wrong } from "@masklet/core/test/options-suite";
import {
  availableDevices,
  createOrtBackend,
  openDetector,
  openSubjectFinder,
  removeBackground,
  segment,
} from "../src/node.ts";

testOptions([new URL("../etc/node.api.md", import.meta.url)], {
  availableDevices: () => availableDevices(wrong),
  createOrtBackend: () => createOrtBackend(wrong),
  openDetector: () => called(openDetector, new Uint8Array()),
  openSubjectFinder: () => called(openSubjectFinder, new Uint8Array()),
  removeBackground: () => called(removeBackground, "none"),
  segment: () => called(segment, "none", {}),
});

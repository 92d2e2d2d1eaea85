import { called, testOptions, wrong } from "@masklet/core/test/options-suite";
import { availableEngines, createTfjsBackend, removeBackground, segment } from "../src/node.ts";

testOptions([new URL("../etc/node.api.md", import.meta.url)], {
  availableEngines: () => availableEngines(wrong),
  createTfjsBackend: () => createTfjsBackend(wrong),
  removeBackground: () => called(removeBackground, "none"),
  segment: () => called(segment, "none", {}),
});

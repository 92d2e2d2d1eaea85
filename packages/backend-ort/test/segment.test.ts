import { fileURLToPath } from "node:url";
import { testSegment } from "@masklet/core/test/segment-suite";
import { nanoModel } from "@masklet/model-nano";
import { segment } from "../src/node.ts";

testSegment(segment, fileURLToPath(nanoModel.checkpoint));

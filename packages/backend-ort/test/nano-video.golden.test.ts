import { testNanoVideo } from "@masklet/core/test/goldens/nano-video";
import { shared } from "@masklet/core/test/goldens/shared.node";
import { createOrtBackend } from "../src/node.ts";

await testNanoVideo(createOrtBackend, { shared });

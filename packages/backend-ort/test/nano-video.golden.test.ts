import { testNanoVideo } from "../../core/test/goldens/nano-video.ts";
import { shared } from "../../core/test/goldens/shared.node.ts";
import { createOrtBackend } from "../src/node.ts";

await testNanoVideo(createOrtBackend, { shared });

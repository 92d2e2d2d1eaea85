import { defineConfig } from "tsup";
import { library } from "../../tools/tsup-base.ts";

export default defineConfig(
  library({
    entry: { index: "src/index.ts", node: "src/node.ts", web: "src/web.ts", testing: "src/testing/index.ts" },
  }),
);

import { defineConfig } from "tsup";
import { library } from "../../tools/tsup-base.ts";

export default defineConfig(
  library({
    entry: {
      index: "src/index.ts",
      node: "src/node.ts",
      web: "src/web.ts",
      remote: "src/remote/index.ts",
      rle: "src/mask/rle.ts",
      testing: "src/testing/index.ts",
    },
  }),
);

import { defineConfig } from "tsup";
import { library } from "../../tools/tsup-base.ts";

export default defineConfig(
  library({
    entry: { node: "src/node.ts", web: "src/web.ts" },
    external: [/^node:/, /^@tensorflow\//],
  }),
);

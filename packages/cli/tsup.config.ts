import { defineConfig } from "tsup";
import { library } from "../../tools/tsup-base.ts";

export default defineConfig(library({ entry: { main: "src/main.ts" }, platform: "node", dts: false }));

/** A process that downloads a model: `node --conditions=@masklet/source download-process.ts name`. */
import process from "node:process";
import { downloadModel } from "../src/node/download/download.ts";

const [, , name = ""] = process.argv;
const files = await downloadModel(name, {
  env: process.env,
  retryDelayMs: 10,
  onProgress: ({ stage, loaded }) => process.stderr.write(`${stage} ${loaded}\n`),
});
process.stdout.write(JSON.stringify(files));

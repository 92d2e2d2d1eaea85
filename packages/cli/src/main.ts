#!/usr/bin/env node
import process from "node:process";
import { run } from "./run.ts";

const interruption = new AbortController();
let codeWhenInterrupted = 130;
// Once: with its handler gone, a second signal ends the process at once, as it would have without us.
process.once("SIGINT", () => interruption.abort());
process.once("SIGTERM", () => {
  codeWhenInterrupted = 143;
  interruption.abort();
});
process.stderr.on("error", () => {}); // nobody is left to tell

const code = await run(process.argv.slice(2), {
  get stdin() {
    return process.stdin; // merely looking at it opens it
  },
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signal: interruption.signal,
});
process.exitCode = code === 130 ? codeWhenInterrupted : code;

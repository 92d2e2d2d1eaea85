/** `code.js` of the plugin. */
import { start } from "./plugin.ts";
import type { Figma } from "./sandbox.ts";

declare const figma: Figma;

start(figma);

/** What is kept on a result so that it can be refined and undone later, also by a colleague without the history. */
import { type OutputKind, outputKinds } from "./protocol.ts";

const key = "masklet";
const roleKey = "masklet-role";

/** Figma allows 100 kB an entry, key and value together. */
const mostBytes = 99_000;

/** A layer's part in a result. */
export type Role = "content" | "mask" | "background" | "outline" | "object";

/** On the group of a result, or on the layer where there is none. */
export interface MadeRecord {
  readonly version: 1;
  readonly kind: OutputKind;
  readonly field: "fills" | "strokes";
  /** The image before. */
  readonly original: string;
  /** The images of ours, to be found again among the layer's paints. */
  readonly results: readonly string[];
  /** Whether the effects of the layer were moved to the group. */
  readonly effects: boolean;
  /** Whether a paint of the background's colour was added. */
  readonly background: boolean;
  /** The UI's notes; empty where they were too long. */
  readonly edit: string;
}

interface Keeper {
  getPluginData(key: string): string;
  setPluginData(key: string, value: string): void;
}

/** The record of a layer, or undefined: also for one of a later version or by somebody else. */
export function readRecord(node: Keeper): MadeRecord | undefined {
  const text = node.getPluginData(key);
  if (text === "") return undefined;
  try {
    const read = JSON.parse(text) as Partial<MadeRecord> | null;
    const whole =
      read !== null &&
      read.version === 1 &&
      outputKinds.indexOf(read.kind as OutputKind) >= 0 &&
      (read.field === "fills" || read.field === "strokes") &&
      typeof read.original === "string" &&
      Array.isArray(read.results) &&
      read.results.every((hash) => typeof hash === "string") &&
      typeof read.effects === "boolean" &&
      typeof read.background === "boolean" &&
      typeof read.edit === "string";
    return whole ? (read as MadeRecord) : undefined;
  } catch {
    return undefined;
  }
}

/** `record` undefined removes it. */
export function writeRecord(node: Keeper, record: MadeRecord | undefined): void {
  let text = record === undefined ? "" : JSON.stringify(record);
  if (utf8Length(text) > mostBytes) text = JSON.stringify({ ...record, edit: "" });
  node.setPluginData(key, text);
}

export function readRole(node: Keeper): Role | undefined {
  const role = node.getPluginData(roleKey);
  return role === "" ? undefined : (role as Role);
}

export function writeRole(node: Keeper, role: Role | undefined): void {
  node.setPluginData(roleKey, role ?? "");
}

function utf8Length(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    // Half of a pair has two bytes of the pair's four.
    bytes += code < 0x80 ? 1 : code < 0x800 || (code >= 0xd800 && code < 0xe000) ? 2 : 3;
  }
  return bytes;
}

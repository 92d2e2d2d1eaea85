/** What comes of the work: a program that does it again, files, a link. */

import { messageOf } from "../live/engine.ts";
import { type Host, programFor } from "./code.ts";
import type { Exported } from "./exports.ts";
import type { ExportFormat, VideoFormat } from "./formats.ts";
import { editor, part, picker, say, state } from "./page.ts";
import { toHash } from "./share.ts";
import { videoWorkOf, type Work, workOf } from "./work.ts";

/** `undefined` without a picture. */
function work(): Work | undefined {
  const about = { file: state.picture.file, model: state.engine?.name ?? picker.value };
  if (state.video !== undefined) {
    const document = state.videoEditor?.session?.document;
    return document && videoWorkOf(document, about);
  }
  const { session } = editor;
  if (session === undefined) return undefined;
  const { ids = new Set<number>(), settings } = state.found ?? {};
  const isThere = session.document.objects.some(({ id }) => ids.has(id));
  return workOf(session.document, { ...about, ...(isThere && settings && { everything: settings }) }, ids);
}

export function showCode(): void {
  const host = document.querySelector<HTMLInputElement>('[name="host"]:checked')?.value as Host;
  const now = work();
  const isEmpty = now === undefined || (now.objects.length === 0 && now.everything === undefined);
  const text = isEmpty ? "Click on something in the picture: the program appears here.\n" : programFor(host, now);
  const code = part("code").querySelector("code");
  if (code !== null && code.textContent !== text) code.textContent = text;
}

async function exported(): Promise<Exported> {
  const { exportAs, exportVideoAs } = await import("./exports.ts");
  const format = part<HTMLSelectElement>("format").value;
  if (state.video !== undefined && state.videoEditor?.session !== undefined) {
    return exportVideoAs(format as VideoFormat, state.videoEditor.session, state.video, state.picture.file);
  }
  const { session, image } = editor;
  if (session === undefined || image === undefined) throw new Error("There is no picture yet.");
  return exportAs(format as ExportFormat, session, image, state.picture.file);
}

export async function save(): Promise<void> {
  try {
    const { name, blob, losses } = await exported();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    // The browser has begun to read it by then.
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    say(`${name}${losses.length === 0 ? "" : `; the format has no place for ${losses.join(", ")}`}`, "saved");
  } catch (error) {
    say(messageOf(error), "saved");
  }
}

export async function copy(text: string, said: string, where: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    say(said, where);
  } catch {
    say("The browser does not let this page copy.", where);
  }
}

export function share(): Promise<void> {
  const now = work();
  if (now === undefined) return Promise.resolve();
  const hash = toHash(now);
  history.replaceState(null, "", hash);
  const hand =
    now.byHand.length === 0 ? "" : ` What was painted or edited by hand (${now.byHand.join(", ")}) is not in it.`;
  return copy(location.href, `Copied: prompts and settings, not the picture.${hand}`, "saved");
}

/** Where a tracker may have lost what it follows: for going there and looking, not for deciding. */
import { rleArea, rleIntersection, type Size } from "@masklet/core";
import { rleOf } from "../step.ts";
import type { ObjectFrame, VideoEditorDocument } from "./document.ts";

/** A score that falls by so much from one frame to the next. */
const SCORE_FALL = 0.15;
/** A score at which the model itself doubts, where the frame before was not below it. */
const SCORE_LOW = 0.5;
/** The smaller of two areas by the larger: below this a mask has changed, and not moved. */
const AREA_KEPT = 0.6;

/** What was found of a frame against the one before; while tracking, the others stay what they are. */
const known = new WeakMap<ObjectFrame, { readonly before: ObjectFrame; readonly isDrift: boolean }>();

/** As `VideoEditorSession.driftFrames`. What a person made has been looked at, and is none of them. */
export function driftFrames(document: VideoEditorDocument, id?: number): readonly number[] {
  const found = new Set<number>();
  for (const { id: own, frames } of document.objects) {
    if (id !== undefined && own !== id) continue;
    for (const [key, now] of Object.entries(frames)) {
      const before = frames[Number(key) - 1];
      if (before !== undefined && now.prompt === null && isDrift(before, now, document)) found.add(Number(key));
    }
  }
  return [...found].sort((a, b) => a - b);
}

function isDrift(before: ObjectFrame, now: ObjectFrame, size: Size): boolean {
  const cached = known.get(now);
  if (cached?.before === before) return cached.isDrift;
  const found = { before, isDrift: hasFallen(before, now) || hasChanged(before.mask, now.mask, size) };
  known.set(now, found);
  return found.isDrift;
}

function hasFallen({ score: before }: ObjectFrame, { score: now }: ObjectFrame): boolean {
  if (before === null || now === null) return false;
  return before - now > SCORE_FALL || (before >= SCORE_LOW && now < SCORE_LOW);
}

function hasChanged(before: string, now: string, size: Size): boolean {
  if (before === now) return false;
  const [was, is] = [rleOf(before, size), rleOf(now, size)];
  const [least, most] = [rleArea(was), rleArea(is)].sort((a, b) => a - b) as [number, number];
  return least < AREA_KEPT * most || rleIntersection(was, is) === 0;
}

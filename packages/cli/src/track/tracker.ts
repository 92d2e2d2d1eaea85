/** Goes through the video pass by pass, writes every frame's masks and saves where it stands. */
import { setImmediate } from "node:timers/promises";
import {
  FrameError,
  geometry,
  type Mask,
  type Prompt,
  type Sam2,
  type VideoOptions,
  VideoPredictor,
  type VideoSession,
} from "@masklet/core/node";
import type { Clip } from "./clip.ts";
import { after, type Pass, remaining } from "./plan.ts";
import type { Place, RunFolder } from "./run-folder.ts";

/** What shows one object on one frame. */
export interface Shown {
  readonly object: number;
  readonly frame: number;
  readonly prompt: Pick<Prompt, "points" | "labels" | "box">;
  readonly mask?: Mask;
}

export interface TrackOptions {
  readonly clip: Clip;
  readonly prompts: readonly Shown[];
  readonly passes: readonly Pass[];
  readonly settings: VideoOptions;
  /** A session is saved after so many frames. */
  readonly saveEvery: number;
  readonly signal: AbortSignal;
  /** Called before the first frame with the bytes that the session will keep at most. */
  readonly onStart: (bytes: number) => void;
  /** Called with how many frames of all passes are done. */
  readonly onFrame: (done: number, all: number) => void;
}

/**
 * Tracks what is left of a run. -> the error of a frame that cannot be read: what comes before it is kept, and can be
 * gone on from. Rejects with the signal's reason; then, too, the run can go on.
 */
export async function track(model: Sam2, run: RunFolder, options: TrackOptions): Promise<FrameError | undefined> {
  const { clip, prompts, passes, settings, signal } = options;
  const { memories, maxObjectPointers } = geometry(model.config);
  // No frame attends to any that lies further back (`attentionReach`), and nothing is prompted later.
  const history = Math.max(maxObjectPointers, memories * (settings.memoryStride ?? 1));
  const predictor = new VideoPredictor(model, { ...settings, history });
  const objects = new Set(prompts.map(({ object }) => object)).size;
  options.onStart(predictor.estimate({ objects, frames: clip.frames.count }).total);

  const saved = await run.saved();
  if (saved !== undefined && saved.session === undefined) return undefined;
  let place: Place = saved ?? { pass: 0, next: (passes[0] as Pass).start };
  let session =
    saved?.session === undefined ? predictor.start(clip.frames) : await predictor.load(saved.session, clip.frames);
  let unsaved = 0;
  const save = async (): Promise<void> => {
    // In reverse nothing would come from frame 0: the frame before it is done again.
    if (unsaved === 0 || (place.next === 0 && passes[place.pass]?.reverse === true)) return;
    await run.save(place, session.save());
    unsaved = 0;
  };
  const all = passes.reduce((sum, pass) => sum + remaining(pass, pass.start), 0);
  const done = (): number =>
    all - passes.slice(place.pass).reduce((sum, p, i) => sum + remaining(p, i === 0 ? place.next : p.start), 0);
  try {
    if (saved === undefined) for (const shown of prompts) await show(session, shown, signal);
    for (;;) {
      const pass = passes[place.pass] as Pass;
      const count = remaining(pass, place.next);
      // The second pass begins with what the first one knew at this frame, as far as the second one looks.
      const turn = passes.length === 1 || pass.reverse ? undefined : Math.min(pass.start + history, pass.last);
      const frames = count === 0 ? [] : session.propagate({ start: place.next, count, reverse: pass.reverse, signal });
      for await (const frame of frames) {
        await run.add(frame, clip.frames.size);
        if (frame.frame === turn) await run.writeTurn(session.save());
        place = { ...place, next: after(pass, frame.frame) };
        unsaved++;
        options.onFrame(done(), all);
        if (unsaved >= options.saveEvery) await save();
        await setImmediate(); // a run of the model blocks this thread: now Ctrl-C can be heard
        signal.throwIfAborted();
      }
      const next = passes[place.pass + 1];
      if (next === undefined) break;
      await session.dispose();
      session = await predictor.load(await run.readTurn(), clip.frames);
      place = { pass: place.pass + 1, next: next.start };
    }
    await run.save(place);
    return undefined;
  } catch (error) {
    const kept = await save().then(
      () => done() > 0,
      () => false, // the error at hand comes first: a full disk, perhaps
    );
    if (error instanceof FrameError && kept && !signal.aborted) return error;
    throw error;
  } finally {
    await session.dispose();
  }
}

async function show(session: VideoSession, shown: Shown, signal: AbortSignal): Promise<void> {
  const { object, frame, prompt, mask } = shown;
  if (mask !== undefined) await session.addMask({ frame, object, mask }, { signal });
  // After a mask, clicks and a box correct it.
  if (prompt.points !== undefined || prompt.box !== undefined) {
    await session.addPrompt({ frame, object, ...prompt }, { signal });
  }
}

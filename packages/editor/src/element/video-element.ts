/**
 * `<masklet-video-editor>`: the editor of a picture at the current frame, and a timeline. What is done is done by the
 * session; here are reading frames, playing, and the words.
 */
import type { FrameSource, RawImage, TrackingSession, VideoTracker } from "@masklet/core";
import { checkKeys, type Keys } from "@masklet/core/backend";
import { EditorError } from "../errors.ts";
import type { VideoEditorDocument } from "../video/document.ts";
import { VideoEditorSession, type VideoSessionEvent } from "../video/session.ts";
import { videoStepText } from "../video/step.ts";
import { type VideoWords, videoWords } from "../video/words.ts";
import { fillIn } from "../words.ts";
import { h, icon, icons, setAttribute, setText } from "./dom.ts";
import type { MaskletEditorElement } from "./element.ts";
import { nameOf } from "./list.ts";
import { theme } from "./theme.ts";
import { Timeline } from "./timeline.ts";
import { videoCss } from "./video-style.ts";

export interface OpenVideoOptions {
  /** The session to show, of the video's size and length; a new one if not given. One that has a tracker keeps it. */
  readonly session?: VideoEditorSession;
}

/** The events of a `MaskletVideoEditorElement`, by their names; all of them bubble. Those of the editor in it do so too. */
export interface MaskletVideoEditorEvents {
  /** Every event of the session. */
  "masklet-video": CustomEvent<VideoSessionEvent>;
}

/** Frames that one jumps to. */
type Landmark = "prompted" | "drift";

/** Frames that are played in a second, where nobody says. */
const RATE = 25;

const Base: typeof HTMLElement = globalThis.HTMLElement ?? (class {} as typeof HTMLElement);

/**
 * The editor of a video as an element: `open` a video's frames, set a `tracker`, and listen to "masklet-video". The
 * attribute `theme` and the custom properties are those of `<masklet-editor>`, which is in it as `editor`.
 */
export class MaskletVideoEditorElement extends Base {
  static readonly observedAttributes: readonly string[] = ["theme"];

  /** The current frame's editor: tools, display, zoom. */
  readonly editor: MaskletEditorElement = document.createElement("masklet-editor") as MaskletEditorElement;
  #session: VideoEditorSession | undefined;
  #video: FrameSource | undefined;
  #tracker: VideoTracker | undefined;
  /** What this element has started, and has to free. */
  #own: TrackingSession | undefined;
  #unsubscribe: () => void = () => {};
  #words: VideoWords = videoWords;
  #rate = RATE;

  /** The frame that is wanted last; those between it and the one shown are passed over. */
  #wanted = 0;
  #isReading = false;
  /** Whether this element itself makes another frame the current one. */
  #isShowing = false;
  #opening = 0;
  #playing: { readonly from: number; readonly began: number } | undefined;
  /** Whether the view goes with the tracker, until a person goes elsewhere. */
  #isFollowing = false;
  #message = "";
  #known: ({ readonly document: VideoEditorDocument } & Record<Landmark, readonly number[]>) | undefined;
  #hasHistory = true;

  readonly #timeline = new Timeline({
    seek: (frame) => this.#goTo(frame),
    select: (id) => this.#session?.select(id),
  });
  readonly #bar = h("div", { class: "bar" });
  readonly #status = h("div", { class: "status", role: "status" });
  #updates: (() => void)[] = [];

  constructor() {
    super();
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(theme + videoCss);
    const root = this.attachShadow({ mode: "open", delegatesFocus: true });
    root.adoptedStyleSheets = [sheet];
    const time = h("div", { class: "time" }, this.#bar, this.#timeline.element, this.#status);
    root.append(h("div", { class: "frame" }, this.editor, time));
    // Before the frame's editor: Escape ends tracking before it means anything else.
    this.addEventListener("keydown", (event) => this.#key(event), { capture: true });
    this.#build();
  }

  connectedCallback(): void {
    // What a page set before this module had loaded hides the accessors.
    for (const name of ["tracker", "words", "rate", "hasHistory"] as const) {
      if (!Object.hasOwn(this, name)) continue;
      const value = this[name];
      delete (this as Partial<MaskletVideoEditorElement>)[name];
      Object.assign(this, { [name]: value });
    }
    this.#timeline.connect();
  }

  disconnectedCallback(): void {
    this.pause();
    this.#timeline.disconnect();
  }

  attributeChangedCallback(name: string, _: string | null, value: string | null): void {
    setAttribute(this.editor, name, value ?? undefined);
    this.#update(); // the timeline is drawn in its colours
  }

  /**
   * Shows a video: `openVideo` of core's `web` gives the frames of a file, `framesFromFiles` those of a folder, and
   * anything that has frames by number will do. Resolves once the first one is shown; a tracker follows objects in it from
   * then on. Rejects as the source, and with an `EditorError` "editor-option" for one that does not say how many frames it
   * has, or a session of another size; what was shown stays then.
   */
  async open(video: FrameSource, options: OpenVideoOptions = {}): Promise<void> {
    checkKeys("open", options, openKeys);
    const { size, count } = video;
    const { width, height } = size;
    if (count === undefined || count < 1) throw misfit("the video must say how many frames it has", "count", count);
    const session = options.session ?? new VideoEditorSession({ width, height, count });
    const { document } = session;
    if (document.width !== width || document.height !== height || document.count !== count) {
      const of = `${document.width}x${document.height}, ${document.count} frames`;
      throw misfit(`the session is of ${of}, the video ${width}x${height}, ${count} frames`, "session", of);
    }
    const opening = ++this.#opening;
    const image = await video.frame(session.frame);
    if (opening !== this.#opening) return; // another one was opened in the meantime
    if (image === undefined) throw misfit("the video must have the frame it is opened at", "video", session.frame);
    this.pause();
    this.#unsubscribe();
    this.#free();
    this.#video = video;
    this.#session = session;
    this.#wanted = session.frame;
    this.#message = "";
    this.#unsubscribe = session.subscribe((event) => this.#changed(event));
    this.#start();
    await this.editor.open(image, { session: session.frameEditor });
    this.#update();
  }

  /** What is edited; `undefined` before `open`. */
  get session(): VideoEditorSession | undefined {
    return this.#session;
  }

  /** The frames; `undefined` before `open`. */
  get video(): FrameSource | undefined {
    return this.#video;
  }

  /**
   * What follows objects: a `VideoPredictor` of core, or its remote client. It is started with each video that is opened,
   * unless the session came with a tracking session of its own.
   */
  get tracker(): VideoTracker | undefined {
    return this.#tracker;
  }

  set tracker(tracker: VideoTracker | undefined) {
    this.#tracker = tracker;
    this.#free();
    this.#start();
    this.#update();
  }

  /** The current frame's number, from 0. Setting it shows another one, as soon as it is read. */
  get frame(): number {
    return this.#session?.frame ?? 0;
  }

  set frame(frame: number) {
    this.#goTo(frame);
  }

  /** Frames that are played in a second. */
  get rate(): number {
    return this.#rate;
  }

  set rate(rate: number) {
    this.#rate = Number.isFinite(rate) && rate > 0 ? rate : RATE;
  }

  /** Whether undo and redo have buttons and keys here: not where the host has its own, and calls the session's `take`. */
  get hasHistory(): boolean {
    return this.#hasHistory;
  }

  set hasHistory(hasHistory: boolean) {
    this.#hasHistory = hasHistory;
    this.#update();
  }

  get isPlaying(): boolean {
    return this.#playing !== undefined;
  }

  /** Every word that is shown or said. Set those that you have; the others stay English. */
  get words(): VideoWords {
    return this.#words;
  }

  set words(words: Partial<VideoWords>) {
    this.#words = { ...videoWords, ...words, steps: { ...videoWords.steps, ...words.steps } };
    this.#build();
  }

  /** Plays from the current frame to the end, from the start if it is there. Frames that come too late are passed over. */
  play(): void {
    const session = this.#session;
    if (session === undefined || this.isPlaying) return;
    const last = session.document.count - 1;
    this.#playing = { from: session.frame === last ? 0 : session.frame, began: performance.now() };
    this.#isFollowing = false;
    this.#update();
    this.#playOn();
  }

  pause(): void {
    if (!this.isPlaying) return;
    this.#playing = undefined;
    this.#update();
  }

  /** Follows the objects from the current frame on, or back from it; what goes wrong is said. Resolves when it is over. */
  async track({ reverse = false }: { readonly reverse?: boolean } = {}): Promise<void> {
    const session = this.#session;
    if (session === undefined) return;
    this.pause();
    this.#isFollowing = true;
    this.#message = "";
    const step = await session.track({ reverse }).catch((error: unknown) => this.#fail(error));
    if (step !== undefined) this.#say(fillIn(this.#words.tracked, { count: step.count }));
  }

  /** Ends tracking; what it has done stays. */
  stop(): void {
    this.#session?.stop();
  }

  /** Goes to the next frame that is worth a look, or to the one before: `driftFrames` of the session. None: stays. */
  goToDrift(by: 1 | -1 = 1): void {
    this.#jump("drift", by);
  }

  #start(): void {
    const session = this.#session;
    if (session === undefined) return;
    if (session.tracking === undefined && this.#tracker !== undefined && this.#video !== undefined) {
      this.#own = this.#tracker.start(this.#video);
      session.tracking = this.#own;
    }
    this.editor.engine = undefined; // looks again at what the session has
  }

  /** Frees what was started here. */
  #free(): void {
    const own = this.#own;
    this.#own = undefined;
    if (own === undefined) return;
    if (this.#session?.tracking === own) this.#session.tracking = undefined;
    own.dispose().catch((error: unknown) => this.#fail(error));
  }

  #changed(event: VideoSessionEvent): void {
    if (event.type === "frame" && !this.#isShowing) this.#want(event.frame); // by undo, or by the host
    if (event.type === "tracking" && event.tracking !== null) {
      const { frame } = event.tracking;
      if (frame !== null) {
        this.#say(fillIn(this.#words.tracking, { frame }));
        if (this.#isFollowing) this.#want(frame);
      }
    }
    if (event.type === "step") this.#message = "";
    this.#update();
    this.dispatchEvent(new CustomEvent("masklet-video", { detail: event, bubbles: true, composed: true }));
  }

  #say(text: string): void {
    this.#message = text;
    this.#update();
  }

  #fail(error: unknown): undefined {
    const code = error instanceof EditorError ? error.code : "";
    const known: Readonly<Record<string, string>> = {
      "no-engine": this.#words.noTracker,
      "nothing-to-track": this.#words.nothingToTrack,
    };
    const message = error instanceof Error ? error.message : String(error);
    this.dispatchEvent(new CustomEvent("masklet-error", { detail: { error }, bubbles: true, composed: true }));
    this.#say(known[code] ?? fillIn(this.#words.failed, { message }));
  }

  // Frames

  /** A person goes to a frame. */
  #goTo(frame: number): void {
    if (this.#session === undefined) return;
    this.pause();
    this.#isFollowing = false;
    this.#want(Math.min(this.#session.document.count - 1, Math.max(0, Math.round(frame) || 0)));
  }

  #want(frame: number): void {
    this.#wanted = frame;
    void this.#read();
  }

  /** Reads the frame that is wanted, shows it, and goes on while another is. One at a time: scrubbing queues nothing. */
  async #read(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      let read = -1;
      while (read !== this.#wanted) {
        const [video, session, frame] = [this.#video, this.#session, this.#wanted];
        if (video === undefined || session === undefined) break;
        const image = await video.frame(frame);
        read = frame;
        if (session === this.#session) await this.#showFrame(session, frame, image);
      }
    } catch (error) {
      this.pause();
      this.#fail(error);
      this.#wanted = this.frame;
    } finally {
      this.#isReading = false;
    }
  }

  /** Picture and objects change together. */
  async #showFrame(session: VideoEditorSession, frame: number, image: RawImage | undefined): Promise<void> {
    if (image === undefined) throw misfit(`frame ${frame} is not there`, "video", frame);
    this.#isShowing = true;
    session.seek(frame);
    this.#isShowing = false;
    await this.editor.open(image, { session: session.frameEditor });
    this.#update();
  }

  #playOn(): void {
    const [playing, session] = [this.#playing, this.#session];
    if (playing === undefined || session === undefined) return;
    const last = session.document.count - 1;
    const passed = Math.floor(((performance.now() - playing.began) * this.#rate) / 1000);
    const frame = Math.min(last, playing.from + passed);
    if (frame !== this.#wanted) this.#want(frame);
    if (frame === last) this.pause();
    else requestAnimationFrame(() => this.#playOn());
  }

  /** Frames to jump to; not sought again for each frame that is played. */
  #landmarks(session: VideoEditorSession, which: Landmark): readonly number[] {
    if (this.#known?.document !== session.document) {
      const { document } = session;
      this.#known = { document, prompted: session.promptedFrames(), drift: session.driftFrames() };
    }
    return this.#known[which];
  }

  #jump(which: Landmark, by: 1 | -1): void {
    const session = this.#session;
    if (session === undefined) return;
    const frames = this.#landmarks(session, which);
    const to = by === 1 ? frames.find((at) => at > session.frame) : frames.findLast((at) => at < session.frame);
    if (to !== undefined) this.#goTo(to);
  }

  // Keys

  /** Keys of the whole editor, but for what is typed into fields. */
  #key(event: KeyboardEvent): void {
    const [target] = event.composedPath();
    const session = this.#session;
    const isTyping =
      target instanceof HTMLSelectElement ||
      (target instanceof HTMLInputElement && (target.type === "text" || target.type === "number"));
    if (session === undefined || event.defaultPrevented || isTyping || event.altKey) return;
    const key = event.key.toLowerCase();
    if (event.ctrlKey || event.metaKey) {
      if (!this.#hasHistory || (key !== "z" && key !== "y")) return;
      this.#history[key === "y" || event.shiftKey ? "redo" : "undo"]();
    } else if (key === ",") this.#goTo(this.#wanted - 1);
    else if (key === ".") this.#goTo(this.#wanted + 1);
    else if (key === "<") this.#jump("prompted", -1);
    else if (key === ">") this.#jump("prompted", 1);
    else if (key === "d") this.#jump("drift", event.shiftKey ? -1 : 1);
    else if (key === "t") void this.track({ reverse: event.shiftKey });
    else if (key === "escape" && session.trackingState !== null) session.stop();
    else if (key === " " && target === this.#timeline.slider) this.#playOrPause();
    else return;
    event.preventDefault();
  }

  #playOrPause(): void {
    if (this.isPlaying) this.pause();
    else this.play();
  }

  readonly #history = {
    undo: (): void => this.#try((session) => session.undo()),
    redo: (): void => this.#try((session) => session.redo()),
  };

  /** Runs a command; what it throws is said. */
  #try(command: (session: VideoEditorSession) => unknown): void {
    const session = this.#session;
    if (session === undefined) return;
    try {
      command(session);
    } catch (error) {
      this.#fail(error);
    }
  }

  // What is below the frame

  #update(): void {
    const [session, words] = [this.#session, this.#words];
    for (const update of this.#updates) update();
    setText(this.#status, this.#message || (session === undefined ? words.noVideo : ""));
    this.#timeline.element.hidden = session === undefined;
    if (session === undefined) return;
    const text = (step: typeof session.undoStep): string | undefined => step && videoStepText(step, words.steps);
    const [undoText, redoText] = [text(session.undoStep), text(session.redoStep)];
    this.editor.history = this.#hasHistory ? { ...this.#history, undoText, redoText } : null;
    const { document, frame, selected } = session;
    this.#timeline.update({ document, frame, selected, words, nameOf: (object) => nameOf(object, words) });
  }

  #build(): void {
    const words = this.#words;
    this.editor.words = words;
    this.#updates = [];
    const button = (
      drawn: keyof typeof icons,
      label: () => string,
      act: () => void,
      isOff: (session: VideoEditorSession) => boolean,
    ): HTMLButtonElement => {
      const made = h("button", { type: "button", click: act }, icon(icons[drawn]));
      this.#updates.push(() => {
        setAttribute(made, "aria-label", label());
        setAttribute(made, "title", label());
        const isDisabled = this.#session === undefined || isOff(this.#session);
        // A button that is off hears no keys, and those of the editor, undo among them, would go nowhere.
        if (isDisabled && this.shadowRoot?.activeElement === made) this.#timeline.slider.focus();
        setAttribute(made, "disabled", isDisabled);
      });
      return made;
    };
    const last = (): number => (this.#session?.document.count ?? 1) - 1;
    const play = button(
      "play",
      () => (this.isPlaying ? words.pause : words.play),
      () => this.#playOrPause(),
      () => false,
    );
    let isPlaying = false;
    this.#updates.push(() => {
      if (isPlaying === this.isPlaying) return;
      isPlaying = this.isPlaying;
      play.replaceChildren(icon(icons[isPlaying ? "pause" : "play"]));
    });
    const number = h("input", {
      type: "number",
      min: 0,
      "aria-label": words.frame,
      change: () => this.#goTo(number.valueAsNumber),
    });
    const of = h("span", { class: "at" });
    this.#updates.push(() => {
      setAttribute(number, "max", last());
      if (this.shadowRoot?.activeElement !== number) number.value = String(this.frame);
      setText(of, `/ ${last()}`);
    });
    const isTracking = (): boolean => (this.#session?.trackingState ?? null) !== null;
    const track = (reverse: boolean): HTMLButtonElement => {
      const label = reverse ? words.trackBack : words.track;
      const made = button(
        reverse ? "trackBack" : "track",
        () => label,
        () => void this.track({ reverse }),
        ({ document, tracking, frame }) =>
          isTracking() || tracking === undefined || document.objects.length === 0 || frame === (reverse ? 0 : last()),
      );
      made.classList.add("text");
      made.append(label);
      return made;
    };
    const stop = button(
      "stop",
      () => words.stop,
      () => this.stop(),
      () => !isTracking(),
    );
    stop.classList.add("text");
    stop.append(words.stop);
    const clear = button(
      "remove",
      () => words.steps["clear-frame"],
      () => this.#try((session) => session.selected !== null && session.clearFrame(session.selected)),
      ({ selected, document, frame }) =>
        document.objects.find(({ id }) => id === selected)?.frames[frame] === undefined,
    );
    clear.classList.add("text");
    clear.append(words.steps["clear-frame"]);
    const group = (...children: readonly Node[]): Node => h("div", { class: "group" }, ...children);
    const jump = (which: Landmark, by: 1 | -1): HTMLButtonElement => {
      const name = `${by === 1 ? "next" : "previous"}${which === "drift" ? "Drift" : "Prompt"}` as const;
      return button(
        name,
        () => words[name],
        () => this.#jump(which, by),
        (session) =>
          !this.#landmarks(session, which).some((at) => (by === 1 ? at > session.frame : at < session.frame)),
      );
    };
    this.#bar.replaceChildren(
      group(
        jump("prompted", -1),
        button(
          "back",
          () => words.previousFrame,
          () => this.#goTo(this.#wanted - 1),
          ({ frame }) => frame === 0,
        ),
        play,
        button(
          "forward",
          () => words.nextFrame,
          () => this.#goTo(this.#wanted + 1),
          ({ frame }) => frame === last(),
        ),
        jump("prompted", 1),
      ),
      group(jump("drift", -1), jump("drift", 1)),
      group(number, of),
      group(track(true), track(false), stop),
      group(clear),
    );
    this.#update();
  }
}

function misfit(what: string, option: string, got: unknown): EditorError {
  return new EditorError("editor-option", `open: ${what}`, { details: { option, got } });
}

const openKeys: Keys<OpenVideoOptions> = { session: true };

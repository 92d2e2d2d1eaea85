/** The picture on the screen: where it lies, and when it is drawn. */
import type { Point, RawImage } from "@masklet/core";
import { centred, fitView, keepInSight, panBy, reveal, toPicture, toStage, type View, zoomAt } from "../view.ts";
import { h } from "./dom.ts";
import { renderHand, renderPicture, type Scene } from "./render.ts";
import { Shapes } from "./shapes.ts";
import { Tiles } from "./tiles.ts";

/** What is drawn, but for what the stage itself knows. */
export type StageScene = Omit<Scene, "view" | "tiles" | "shapes" | "previews" | "ratio">;

export class Stage {
  readonly canvas: HTMLCanvasElement = h("canvas", { "aria-hidden": "true" });
  /** Above the picture: what changes as a hand moves. */
  readonly #top = h("canvas", { "aria-hidden": "true" });
  readonly element: HTMLElement = h(
    "div",
    { class: "stage", role: "application", tabindex: 0 },
    this.canvas,
    this.#top,
  );
  readonly #context = this.canvas.getContext("2d") as CanvasRenderingContext2D;
  readonly #topContext = this.#top.getContext("2d") as CanvasRenderingContext2D;
  readonly #scene: () => StageScene | undefined;
  readonly #changed: () => void;
  readonly #shapes = new Shapes();
  readonly #previews = new Shapes(4);
  #tiles: Tiles | undefined;
  #view: View = { scale: 1, x: 0, y: 0 };
  /** Until a person zooms or pans, the view follows the stage. */
  #isFitted = true;
  #ratio = 1;
  #frame = 0;
  /** Whether the picture has to be drawn again, not only what is above it. */
  #isStale = true;
  #isConnected = false;
  #unwatch = (): void => {};
  readonly #resized = new ResizeObserver((entries) => this.#resize(entries[0]));

  /** `scene` says what there is to draw; `changed` is called when the view has changed. */
  constructor(scene: () => StageScene | undefined, changed: () => void) {
    this.#scene = scene;
    this.#changed = changed;
  }

  connect(): void {
    this.#isConnected = true;
    try {
      this.#resized.observe(this.element, { box: "device-pixel-content-box" });
    } catch {
      this.#resized.observe(this.element); // Safari knows no device pixels
    }
    this.#watchRatio();
  }

  disconnect(): void {
    this.#isConnected = false;
    this.#resized.disconnect();
    this.#unwatch();
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
  }

  /** Moved to another screen, or zoomed, a page keeps its CSS size. */
  #watchRatio(): void {
    const query = matchMedia(`(resolution: ${devicePixelRatio}dppx)`);
    const changed = (): void => {
      this.#resize();
      this.#watchRatio();
    };
    query.addEventListener("change", changed, { once: true });
    this.#unwatch = () => query.removeEventListener("change", changed);
  }

  /** The picture that is shown. */
  get image(): RawImage | undefined {
    return this.#tiles?.image;
  }

  set image(image: RawImage | undefined) {
    this.#tiles = image && new Tiles(image);
  }

  get view(): View {
    return this.#view;
  }

  /** Device pixels in one of CSS. */
  get ratio(): number {
    return this.#ratio;
  }

  fit(): void {
    if (this.image === undefined) return;
    this.#isFitted = true;
    this.#view = fitView(this.image, this.canvas, 12 * this.#ratio);
    this.#changed();
  }

  /** A pixel of the picture for each of the screen. */
  showPixels(): void {
    this.#isFitted = false;
    if (this.image !== undefined) this.setView(centred(this.image, this.canvas, 1));
  }

  /** As a person has chosen it: it follows the stage's size no more. */
  setView(view: View): void {
    if (this.image === undefined) return;
    this.#isFitted = false;
    this.#view = keepInSight(view, this.image, this.canvas);
    this.#changed();
  }

  pan(dx: number, dy: number): void {
    this.setView(panBy(this.#view, dx, dy));
  }

  zoomBy(factor: number, at: Point = [this.canvas.width / 2, this.canvas.height / 2]): void {
    this.setView(zoomAt(this.#view, factor, at));
  }

  /** Moves the view as little as shows a point of the picture. */
  reveal(point: Point): void {
    const view = reveal(this.#view, point, this.canvas, 24 * this.#ratio);
    if (view.x !== this.#view.x || view.y !== this.#view.y) this.setView(view);
  }

  /** Where an event is on the stage, in device pixels. */
  at({ clientX, clientY }: { readonly clientX: number; readonly clientY: number }): Point {
    const { left, top } = this.canvas.getBoundingClientRect();
    return [(clientX - left) * this.#ratio, (clientY - top) * this.#ratio];
  }

  /** Where a point of the picture is on the page. */
  onPage(point: Point): Point {
    const { left, top } = this.canvas.getBoundingClientRect();
    const [x, y] = toStage(this.#view, point);
    return [left + x / this.#ratio, top + y / this.#ratio];
  }

  /** Where a point of the stage is in the picture, moved into it where it lies beside. */
  inPicture(at: Point): Point {
    const { width, height } = this.image ?? { width: 0, height: 0 };
    const [x, y] = toPicture(this.#view, at);
    return [Math.min(width, Math.max(0, x)), Math.min(height, Math.max(0, y))];
  }

  isInPicture(at: Point): boolean {
    const { width, height } = this.image ?? { width: 0, height: 0 };
    const [x, y] = toPicture(this.#view, at);
    return x >= 0 && y >= 0 && x <= width && y <= height;
  }

  /** Has all of it drawn before the next paint. */
  invalidate(): void {
    this.#isStale = true;
    this.schedule();
  }

  /** Has what a hand changes drawn before the next paint. */
  schedule(): void {
    if (this.#frame !== 0 || !this.#isConnected) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #resize(entry?: ResizeObserverEntry): void {
    const [device] = entry?.devicePixelContentBoxSize ?? [];
    const { clientWidth, clientHeight } = this.element;
    if (clientWidth === 0 || clientHeight === 0) return;
    // Where the browser says exactly how many pixels there are. A page that is emulated for another screen is told wrong.
    const exact = (length: number, pixels: number | undefined): number => {
      const about = Math.round(length * devicePixelRatio);
      return pixels !== undefined && Math.abs(pixels - about) <= 2 ? pixels : about;
    };
    const width = exact(clientWidth, device?.inlineSize);
    const height = exact(clientHeight, device?.blockSize);
    this.#ratio = width / clientWidth;
    for (const canvas of [this.canvas, this.#top]) {
      canvas.width = width;
      canvas.height = height;
    }
    this.#isStale = true;
    if (this.#isFitted) this.fit();
    else this.setView(this.#view);
    this.#draw(); // before the next paint, which would show an empty canvas
  }

  #draw(): void {
    const [known, tiles] = [this.#scene(), this.#tiles];
    if (known === undefined || tiles === undefined) return;
    this.#shapes.room = Math.max(256, 2 * known.objects.length);
    const scene: Scene = {
      ...known,
      view: this.#view,
      tiles,
      shapes: this.#shapes,
      previews: this.#previews,
      ratio: this.#ratio,
    };
    renderHand(this.#topContext, scene);
    if (!this.#isStale) return;
    this.#isStale = renderPicture(this.#context, scene);
    if (this.#isStale) this.schedule();
  }
}

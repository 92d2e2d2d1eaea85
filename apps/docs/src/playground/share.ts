/**
 * Work as the part of an address behind `#`, which no server is told: prompts, model and settings, never the picture.
 * `#v=1&size=640x640&file=scene.png&model=nano&o=p581,532!c1&o=b45,35,225,210!f2`
 */
import type { Label, Point } from "@masklet/core";
import type { EverythingSettings, ShownObject, Work } from "./work.ts";

/** More than a person clicks, and few enough to be done. */
const maxObjects = 1000;

/** The hash, "#" included. What was made by hand is not in it. */
export function toHash({ width, height, count, file, model, objects, everything }: Work): string {
  const fields = new URLSearchParams({ v: "1", size: `${width}x${height}`, file, model });
  if (count !== undefined) fields.set("frames", String(count));
  if (everything !== undefined) {
    const { pointsPerSide, predIouThreshold, stabilityScoreThreshold } = everything;
    fields.set("everything", [pointsPerSide, predIouThreshold, stabilityScoreThreshold].join(","));
  }
  const places = [...new Set(objects.map(({ id }) => id))];
  for (const object of objects) {
    // A picture's objects are each there once, in their order.
    const which = count === undefined ? [] : [`i${places.indexOf(object.id) + 1}`, `t${object.frame}`];
    fields.append("o", [...which, ...writeObject(object)].join("!"));
  }
  // These need no escape behind "#", and the link can be read.
  return `#${fields.toString().replaceAll("%2C", ",").replaceAll("%21", "!")}`;
}

/** `undefined` for a hash that is none of these, as an anchor's. Throws an `Error` that says what is wrong in one that is. */
export function fromHash(hash: string): Work | undefined {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  const version = fields.get("v");
  if (version === null) return undefined;
  if (version !== "1") throw new Error(`The link is of version ${version}; this page knows version 1.`);
  const [, width, height] = /^([1-9]\d{0,5})x([1-9]\d{0,5})$/.exec(fields.get("size") ?? "") ?? [];
  if (width === undefined || height === undefined) {
    throw new Error(`The link's size should be as 640x480, and is "${fields.get("size")}".`);
  }
  const written = fields.getAll("o");
  if (written.length > maxObjects)
    throw new Error(`The link has ${written.length} objects; ${maxObjects} are the most.`);
  const everything = fields.get("everything");
  const frames = fields.get("frames");
  const count = frames === null ? undefined : Number(frames);
  if (count !== undefined && !(Number.isInteger(count) && count >= 1)) {
    throw new Error(`The link's frames should be a number, and are "${frames}".`);
  }
  return {
    width: Number(width),
    height: Number(height),
    file: fields.get("file") ?? "picture.png",
    model: fields.get("model") ?? "nano",
    objects: written.map((text, i) => readObject(text, i + 1)),
    byHand: [],
    ...(count !== undefined && { count }),
    ...(everything !== null && { everything: readEverything(everything) }),
  };
}

/** Pixels to a hundredth. */
const short = (value: number): string => String(Math.round(value * 100) / 100);

function writeObject(object: ShownObject): readonly string[] {
  const { points, labels, box, lasso, candidate, feather, decontaminate } = object;
  const numbers = (values: readonly number[]): string => values.map(short).join(",");
  return [
    ...points.map((point, i) => `${labels[i] === 0 ? "n" : "p"}${numbers(point)}`),
    ...(box === null ? [] : [`b${numbers(box)}`]),
    ...(lasso === null ? [] : [`l${numbers(lasso)}`]),
    ...(candidate === null ? [] : [`c${candidate}`]),
    ...(feather === 0 ? [] : [`f${short(feather)}`]),
    ...(decontaminate === 0 ? [] : [`d${decontaminate}`]),
  ];
}

function readObject(text: string, id: number): ShownObject {
  const points: Point[] = [];
  const labels: Label[] = [];
  let object: ShownObject = {
    id,
    points,
    labels,
    box: null,
    lasso: null,
    candidate: null,
    feather: 0,
    decontaminate: 0,
    frame: 0,
  };
  for (const part of text.split("!")) {
    const values = part.slice(1).split(",").map(Number);
    const [a = 0, b = 0, c = 0, d = 0] = values;
    const fits = (isRight: boolean): void => {
      if (!isRight || part.length < 2 || !values.every(Number.isFinite)) {
        throw new Error(`The link's object ${id} has a part "${part}" that means nothing.`);
      }
    };
    switch (part[0]) {
      case "p":
      case "n":
        fits(values.length === 2);
        points.push([a, b]);
        labels.push(part[0] === "p" ? 1 : 0);
        break;
      case "b":
        fits(values.length === 4 && a < c && b < d);
        object = { ...object, box: [a, b, c, d] };
        break;
      case "l":
        fits(values.length >= 6 && values.length % 2 === 0);
        object = { ...object, lasso: values };
        break;
      case "c":
        fits(values.length === 1 && [0, 1, 2].includes(a));
        object = { ...object, candidate: a };
        break;
      case "f":
        fits(values.length === 1 && a >= 0 && a <= 4096);
        object = { ...object, feather: a };
        break;
      case "d":
        fits(values.length === 1 && Number.isInteger(a) && a >= 0 && a <= 4096);
        object = { ...object, decontaminate: a };
        break;
      case "i":
        fits(values.length === 1 && Number.isInteger(a) && a >= 1 && a <= maxObjects);
        object = { ...object, id: a };
        break;
      case "t":
        fits(values.length === 1 && Number.isInteger(a) && a >= 0);
        object = { ...object, frame: a };
        break;
      default:
        fits(false);
    }
  }
  if (points.length === 0 && object.box === null && object.lasso === null) {
    throw new Error(`The link's object ${id} has no point, box or lasso.`);
  }
  return object;
}

function readEverything(text: string): EverythingSettings {
  const [pointsPerSide = 0, predIouThreshold = -1, stabilityScoreThreshold = -1, ...more] = text.split(",").map(Number);
  const isShare = (value: number): boolean => value >= 0 && value <= 1;
  const isGrid = Number.isInteger(pointsPerSide) && pointsPerSide >= 1 && pointsPerSide <= 64;
  if (!isGrid || !isShare(predIouThreshold) || !isShare(stabilityScoreThreshold) || more.length > 0) {
    throw new Error(`The link's "everything" should be as 32,0.8,0.95, and is "${text}".`);
  }
  return { pointsPerSide, predIouThreshold, stabilityScoreThreshold };
}

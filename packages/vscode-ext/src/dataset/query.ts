/** Which pictures a person wants to see: by name, split, class, state, number of objects and score. */
import type { ImageEntry } from "./index.ts";

export const imageStates = ["unlabelled", "draft", "accepted", "problem"] as const;
/** A picture may be in several: accepted, with new drafts, and with a problem. */
export type ImageState = (typeof imageStates)[number];

/** What is known of a picture beside its labels. */
export interface ImageFacts {
  /** Drafts that nobody has accepted or rejected, and the best one's score. */
  readonly drafts: number;
  readonly best: number;
  readonly problems: number;
}

export const noFacts: ImageFacts = { drafts: 0, best: 0, problems: 0 };

export function statesOf(
  { labelled }: Pick<ImageEntry, "labelled">,
  { drafts, problems }: ImageFacts,
): readonly ImageState[] {
  const states: ImageState[] = [labelled ? "accepted" : "unlabelled"];
  if (drafts > 0) states.push("draft");
  if (problems > 0) states.push("problem");
  return states;
}

export interface Filter {
  /** See `parseSearch`. */
  readonly search?: string;
  readonly split?: string;
  readonly category?: string;
  readonly state?: ImageState;
}

type Test = (entry: ImageEntry, facts: ImageFacts) => boolean;

const compare: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  "=": (a, b) => a === b,
};

/**
 * Words that must all be in a picture's path, in any case; `/pattern/` is a regular expression; `objects>3` and `score<0.5`
 * compare. A string instead of tests says what is wrong with it.
 */
export function parseSearch(search: string): readonly Test[] | string {
  const tests: Test[] = [];
  for (const word of search.trim().split(/\s+/)) {
    if (word === "") continue;
    const [, field, operator = "", number] = /^(objects|score)(>=|<=|>|<|=)(\d*\.?\d+)$/.exec(word) ?? [];
    const [, pattern] = /^\/(.+)\/$/.exec(word) ?? [];
    const holds = compare[operator];
    if (field !== undefined && holds !== undefined) {
      const wanted = Number(number);
      tests.push(
        field === "objects"
          ? ({ objects }) => holds(objects, wanted)
          : (_, { drafts, best }) => drafts > 0 && holds(best, wanted),
      );
    } else if (pattern !== undefined) {
      let expression: RegExp;
      try {
        expression = new RegExp(pattern, "iu");
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        return error.message;
      }
      tests.push(({ path }) => expression.test(path));
    } else {
      const part = word.normalize("NFC").toLowerCase();
      tests.push(({ path }) => path.normalize("NFC").toLowerCase().includes(part));
    }
  }
  return tests;
}

/** Places of the entries that a filter lets through, in their order; a string says what is wrong with the search. */
export function filterEntries(
  entries: readonly ImageEntry[],
  { search = "", split, category, state }: Filter,
  factsOf: (path: string) => ImageFacts,
): Uint32Array | string {
  const tests = parseSearch(search);
  if (typeof tests === "string") return tests;
  const found: number[] = [];
  for (const [i, entry] of entries.entries()) {
    if (split !== undefined && entry.split !== split) continue;
    if (category !== undefined && !entry.counts.some(([name]) => name === category)) continue;
    const facts = factsOf(entry.path);
    if (state !== undefined && !statesOf(entry, facts).includes(state)) continue;
    if (tests.every((test) => test(entry, facts))) found.push(i);
  }
  return Uint32Array.from(found);
}

/** The next picture after a place that nobody has labelled, from the beginning again after the last; -1 where there is none. */
export function nextUnlabelled(entries: readonly ImageEntry[], among: Uint32Array, after: number): number {
  for (let step = 1; step <= among.length; step++) {
    const at = (after + step) % among.length;
    if (entries[among[at] as number]?.labelled === false) return at;
  }
  return -1;
}

/** Pictures by split, class and state. */
export interface DatasetCounts {
  readonly images: number;
  readonly splits: ReadonlyMap<string, number>;
  /** Pictures that show the class, and its objects. */
  readonly categories: ReadonlyMap<string, { readonly images: number; readonly objects: number }>;
  readonly states: ReadonlyMap<ImageState, number>;
}

/** Counts what the tree shows, of all pictures or of one split. */
export function countEntries(
  entries: readonly ImageEntry[],
  categories: readonly string[],
  factsOf: (path: string) => ImageFacts,
  split?: string,
): DatasetCounts {
  const splits = new Map<string, number>();
  const classes = new Map(categories.map((name) => [name, { images: 0, objects: 0 }]));
  const states = new Map<ImageState, number>(imageStates.map((state) => [state, 0]));
  let images = 0;
  for (const entry of entries) {
    if (split !== undefined && entry.split !== split) continue;
    images++;
    splits.set(entry.split, (splits.get(entry.split) ?? 0) + 1);
    for (const [name, objects] of entry.counts) {
      const known = name === undefined ? undefined : classes.get(name);
      if (known === undefined) continue;
      known.images++;
      known.objects += objects;
    }
    for (const state of statesOf(entry, factsOf(entry.path))) states.set(state, (states.get(state) ?? 0) + 1);
  }
  return { images, splits, categories: classes, states };
}

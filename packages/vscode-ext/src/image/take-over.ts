/** What label files hold, in an editor's session: taken over when they are read, and again when others change them. */
import type { Size } from "@masklet/core";
import { EditorSession, type Step } from "@masklet/editor";
import type { PictureLabels } from "../labels/formats.ts";
import { conflicts, type Link, type Links, match, type SeenObject, seen } from "../labels/link.ts";
import { classesOf } from "../protocol.ts";

/** Links after something was taken over, and the steps that were made for it. */
export interface Taken {
  readonly links: Links;
  readonly steps: readonly Step[];
}

/** A session over what a label file holds of a picture, and the links of its objects. */
export function sessionOf(
  labels: PictureLabels | undefined,
  size: Size,
): { readonly session: EditorSession; readonly links: Links } {
  const categories = labels?.categories ?? [];
  const session = new EditorSession(size, { historyLimit: 0 });
  const colours = new Map(
    categories.flatMap(({ name, colour }) => (colour === undefined ? [] : [[name, colour] as const])),
  );
  const objects = seen(labels?.objects ?? [], size);
  const names = new Set([...categories.map(({ name }) => name), ...objects.flatMap(({ class: name }) => name ?? [])]);
  session.setClasses(
    classesOf(
      [...names].filter((name) => name !== ""),
      colours,
    ),
  );
  return { session, links: addSeen(session, objects, size) };
}

/** The file's objects that were changed, added or removed there; of those that both sides changed, whose is asked for. */
export function takeOver(
  session: EditorSession,
  linked: Links,
  objects: readonly SeenObject[],
  whose: "mine" | "theirs",
): Taken {
  const size = session.document;
  const found = match(linked, objects, size);
  const clash = new Set(whose === "mine" ? conflicts(session.document, linked, found) : []);
  const links = new Map(linked);
  const gone: number[] = [];
  const come: SeenObject[] = [...found.added];
  for (const [id, link] of linked) {
    const there = found.now.get(id);
    const object = session.document.objects.find((one) => one.id === id);
    if (there?.key === link.key) continue;
    if (clash.has(id)) {
      // Ours stays, and is written over theirs.
      if (there !== undefined) links.set(id, { key: there.key, mask: there.mask, class: there.class });
      continue;
    }
    links.delete(id);
    if (object !== undefined) gone.push(id);
    if (there !== undefined) come.push(there);
  }
  if (gone.length === 0 && come.length === 0) return { links, steps: [] };
  const steps = recorded(session, () => {
    const classes = session.document.classes;
    const unknown = new Set(
      come.flatMap(({ class: name }) => (name === null || classes.some((one) => one.name === name) ? [] : name)),
    );
    if (unknown.size > 0) session.setClasses([...classes, ...classesOf([...unknown], new Map())]);
    if (gone.length > 0) session.remove(...gone);
    for (const [id, link] of addSeen(session, come, size)) links.set(id, link);
  });
  return { links, steps };
}

/** Takes over what is not in conflict; `waiting` objects were changed on both sides. */
export function takeOverWithout(
  session: EditorSession,
  linked: Links,
  objects: readonly SeenObject[],
): Taken & { readonly waiting: number } {
  const found = match(linked, objects, session.document);
  const clash = new Set(conflicts(session.document, linked, found));
  const clashing = new Set([...clash].flatMap((id) => found.now.get(id) ?? []));
  const { links, steps } = takeOver(
    session,
    new Map([...linked].filter(([id]) => !clash.has(id))),
    objects.filter((one) => !clashing.has(one)),
    "theirs",
  );
  return { links: new Map([...links, ...[...linked].filter(([id]) => clash.has(id))]), steps, waiting: clash.size };
}

/** The steps that `work` makes. */
export function recorded(session: EditorSession, work: () => void): readonly Step[] {
  const steps: Step[] = [];
  const stop = session.subscribe((event) => {
    if (event.type === "step") steps.push(event.step);
  });
  work();
  stop();
  return steps;
}

function addSeen(
  session: EditorSession,
  objects: readonly SeenObject[],
  { width, height }: Size,
): ReadonlyMap<number, Link> {
  const first = session.document.nextId;
  session.addObjects(
    objects.map(({ mask, class: name, score }) => ({
      mask: { size: [height, width], counts: mask },
      ...(name !== null && name !== "" && { class: name }),
      ...(score !== undefined && { score }),
      state: "accepted",
    })),
  );
  return new Map(
    objects.map(({ key, class: name }, i) => {
      const object = session.object(first + i);
      return [object.id, { key, mask: object.mask, class: name === "" ? null : name }];
    }),
  );
}

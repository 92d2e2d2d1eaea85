/**
 * The candidate that `word` was probably meant to be: the only one that begins with it, else the only one that begins or
 * ends the word (`labels` of `pointLabels`) or ends with it, else the one with the fewest letters to add, leave out, replace
 * or swap, at most a third of the longer one's. Case does not count. `undefined` if there is none.
 */
export function nearest<T extends string>(word: string, candidates: readonly T[]): T | undefined {
  const text = word.toLowerCase();
  const [only, ...others] = text.length < 3 ? [] : candidates.filter((name) => name.toLowerCase().startsWith(text));
  if (only !== undefined && others.length === 0) return only;
  const [part, ...otherParts] = candidates.filter((name) => isPart(text, name.toLowerCase()));
  if (part !== undefined && otherParts.length === 0) return part;
  const ranked = candidates
    .map((candidate) => ({ candidate, steps: edits(text, candidate.toLowerCase()) }))
    .sort((a, b) => a.steps - b.steps);
  const [first] = ranked;
  if (first === undefined) return undefined;
  const most = Math.max(1, Math.floor(Math.max(text.length, first.candidate.length) / 3));
  return first.steps <= most ? first.candidate : undefined;
}

/** Whether one ends the other or begins `text`; of words with four letters and more. */
function isPart(text: string, name: string): boolean {
  return (
    Math.min(text.length, name.length) >= 4 && (text.endsWith(name) || name.endsWith(text) || text.startsWith(name))
  );
}

/** The distance of Damerau and Levenshtein, where letters are swapped once at most. */
function edits(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      const steps = [(last[j] as number) + 1, (row[j - 1] as number) + 1, (last[j - 1] as number) + cost];
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) steps.push((before[j - 2] as number) + 1);
      row.push(Math.min(...steps));
    }
    [before, last] = [last, row];
  }
  return last[b.length] as number;
}

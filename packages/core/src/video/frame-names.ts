/** In which order frames come that are files of their own: by the numbers in their names. */

/** A number in a name. */
interface Numeral {
  readonly negative: boolean;
  /** Digits without zeros in front: names hold nanoseconds, which are more than a double takes. */
  readonly whole: string;
  /** Digits without zeros behind. */
  readonly fraction: string;
}

/**
 * Compares two names without their endings. Numbers count as numbers: 2 comes before 10, 1.25 before 1.3 and -1 before 0. A
 * minus is a sign at the beginning and after what is neither letter nor digit (`-1`, `t_-1`; not `shot-1`), a dot is one of
 * decimals between two digits (not in `2024.08.01`, which has two). 0 where nothing but how a number is written differs.
 */
export function compareFrameNames(a: string, b: string): number {
  const [left, right] = [taken(a), taken(b)];
  // As collation has it: accents and case decide where all else is alike.
  return compareBy(alike, left, right) || compareBy(exact, left, right);
}

const alike = new Intl.Collator("en", { sensitivity: "base" });
const exact = new Intl.Collator("en", { sensitivity: "variant" });

type Part = string | Numeral;

/** Texts and numbers in turns, a text first. */
function taken(name: string): readonly Part[] {
  const parts: Part[] = [];
  let from = 0;
  for (const { 0: match, 1: sign = "", 2: whole = "", 3: fraction = "", 4: exponent, index } of name.matchAll(
    numeral,
  )) {
    parts.push(name.slice(from, index), numeralOf({ sign, whole, fraction, exponent }));
    from = index + match.length;
  }
  return [...parts, name.slice(from)];
}

/** A sign, digits, decimals unless more dots follow or precede, and an exponent as Python writes it: 1e-05. */
const numeral = /((?<![\p{L}\p{N}])[-+\u2212])?(\d+)(?:(?<!\d\.\d*)\.(\d+)(?!\.?\d))?(?:e([-+]\d+)(?![\p{L}\p{N}]))?/gu;

interface Written {
  readonly sign: string;
  readonly whole: string;
  readonly fraction: string;
  readonly exponent: string | undefined;
}

function numeralOf({ sign, whole, fraction, exponent = "0" }: Written): Numeral {
  const shift = Math.max(-400, Math.min(400, Number(exponent)));
  const digits = "0".repeat(Math.max(0, -shift)) + whole + fraction + "0".repeat(Math.max(0, shift - fraction.length));
  const point = Math.max(0, -shift) + whole.length + shift;
  const parts = { whole: digits.slice(0, point).replace(/^0+/, ""), fraction: digits.slice(point).replace(/0+$/, "") };
  return { ...parts, negative: sign !== "" && sign !== "+" && parts.whole + parts.fraction !== "" };
}

function compareBy(collator: Intl.Collator, a: readonly Part[], b: readonly Part[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [left, right] = [a[i] as Part, b[i] as Part];
    const order =
      typeof left === "string" || typeof right === "string"
        ? collator.compare(left as string, right as string)
        : compareNumerals(left, right);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

function compareNumerals(a: Numeral, b: Numeral): number {
  if (a.negative !== b.negative) return a.negative ? -1 : 1;
  const order = a.whole.length - b.whole.length || compareText(a.whole, b.whole) || compareText(a.fraction, b.fraction);
  return a.negative ? -order : order;
}

const compareText = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

/** Where the images and annotations of a COCO file lie, in one pass over its bytes and in memory for their places alone. */
import { LabelError } from "../errors.ts";
import type { Slice } from "./json.ts";

/** The elements of one list of a COCO file: where each lies, its id, and for annotations the image's. */
export class Section {
  count = 0;
  /** The list with its brackets. */
  whole: Slice = { start: 0, end: 0 };
  #starts = new Float64Array(1024);
  #lengths = new Uint32Array(1024);
  #ids = new BigInt64Array(1024);
  #parents = new BigInt64Array(1024);
  #kinds = new BigInt64Array(1024);

  add(start: number, length: number, id: bigint, parent: bigint, kind: bigint): void {
    if (this.count === this.#starts.length) {
      const more = Math.ceil(this.count * 1.5);
      this.#starts = grown(this.#starts, new Float64Array(more));
      this.#lengths = grown(this.#lengths, new Uint32Array(more));
      this.#ids = grown(this.#ids, new BigInt64Array(more));
      this.#parents = grown(this.#parents, new BigInt64Array(more));
      this.#kinds = grown(this.#kinds, new BigInt64Array(more));
    }
    this.#starts[this.count] = start;
    this.#lengths[this.count] = length;
    this.#ids[this.count] = id;
    this.#parents[this.count] = parent;
    this.#kinds[this.count] = kind;
    this.count++;
  }

  slice(i: number): Slice {
    const start = this.#starts[i] as number;
    return { start, end: start + (this.#lengths[i] as number) };
  }

  id(i: number): bigint {
    return this.#ids[i] as bigint;
  }

  /** The image that an annotation is of. */
  parent(i: number): bigint {
    return this.#parents[i] as bigint;
  }

  /** The category of an annotation; of one that does not say it, `noKind`. */
  kind(i: number): bigint {
    return this.#kinds[i] as bigint;
  }

  /** Places by id; the first of those that share one. */
  places(): ReadonlyMap<bigint, number> {
    const places = new Map<bigint, number>();
    for (let i = this.count - 1; i >= 0; i--) places.set(this.id(i), i);
    return places;
  }
}

function grown<T extends { set(values: T): void }>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}

/** No category has this number. */
const noKind: bigint = -(2n ** 63n);

const deepest = 200;
/** Names of members that are looked at are shorter, numbers too. */
const longestName = 16;
const longestNumber = 24;
const fields = ["id", "image_id", "category_id"] as const;
const lists = ["images", "annotations", "categories"] as const;
const byteOrderMark = [0xef, 0xbb, 0xbf];

/**
 * Reads bytes as they come. It follows strings, brackets and the names of members down to those of the lists' elements,
 * and nothing below; that numbers and words are well-formed is seen when an element is read.
 */
export class CocoScanner {
  readonly images: Section = new Section();
  readonly annotations: Section = new Section();
  categories: Slice = { start: 0, end: 0 };
  readonly #file: string;
  readonly #kinds = new Uint8Array(deepest + 2); // the brackets that are open
  #depth = 0;
  #inString = false;
  #escaped = false;
  #done = false;
  /** Of the member that is being read, at depth 1 and at an element's. */
  #expectsName = false;
  readonly #name = new Uint8Array(longestName);
  #nameLength = 0;
  #top: (typeof lists)[number] | "" = "";
  /** The list of that name, if it is one whose elements are looked at. */
  #current: Section | undefined;
  #field: (typeof fields)[number] = "id";
  /** Whether the member's value is a number that is looked at. */
  #wanted = false;
  readonly #number = new Uint8Array(longestNumber);
  #numberLength = 0;
  #listStart = 0;
  #elementStart = 0;
  #id: bigint | undefined;
  #image: bigint | undefined;
  #kind: bigint | undefined;
  readonly #seen = new Set<string>();

  constructor(file: string) {
    this.#file = file;
  }

  #fail(problem: string, at: number): LabelError {
    return new LabelError("json-malformed", `${this.#file}: ${problem}, at byte ${at}`, {
      details: { file: this.#file, at },
    });
  }

  /** The next bytes, which begin at `offset` of the file. */
  push(bytes: Uint8Array, offset: number): void {
    const { length } = bytes;
    for (let i = 0; i < length; ) {
      if (this.#inString) {
        i = this.#string(bytes, i);
        continue;
      }
      if (this.#depth > 3) {
        // Digits, and the commas of lists of them, are most of a file.
        let byte = bytes[i] as number;
        while (byte < 0x5b && byte !== 0x22 && ++i < length) byte = bytes[i] as number;
        if (i === length) return;
      }
      this.#structure(bytes[i] as number, offset + i);
      i++;
    }
  }

  /** Follows a string to its end, or to that of the bytes; gives where to go on. */
  #string(bytes: Uint8Array, from: number): number {
    let i = from;
    let escaped = this.#escaped;
    const { length } = bytes;
    const name = this.#expectsName ? this.#name : undefined;
    for (; i < length; i++) {
      const byte = bytes[i] as number;
      if (escaped) escaped = false;
      else if (byte === 0x5c) escaped = true;
      else if (byte === 0x22) {
        this.#inString = false;
        this.#escaped = false;
        if (name !== undefined) this.#named();
        return i + 1;
      }
      if (name !== undefined && this.#nameLength <= longestName) {
        if (this.#nameLength < longestName) name[this.#nameLength] = byte;
        this.#nameLength++;
      }
    }
    this.#escaped = escaped;
    return i;
  }

  #structure(byte: number, at: number): void {
    switch (byte) {
      case 0x20:
      case 0x0a:
      case 0x0d:
      case 0x09:
        return;
      case 0x22:
        if (this.#depth === 2 && this.#inList()) throw this.#notObject(at);
        this.#inString = true;
        this.#nameLength = 0;
        return;
      case 0x7b:
      case 0x5b:
        this.#open(byte, at);
        return;
      case 0x7d:
      case 0x5d:
        this.#close(byte, at);
        return;
      case 0x2c:
        this.#endNumber(at);
        this.#expectsName = this.#namesHere();
        return;
      case 0x3a:
        this.#numberLength = 0;
        return;
      default:
        if (at < 3 && byte === byteOrderMark[at]) return;
        if (this.#depth === 0) throw this.#fail("a COCO file is an object", at);
        if (this.#depth === 2 && this.#inList()) throw this.#notObject(at);
        if (this.#depth === 3 && this.#wanted && this.#numberLength <= longestNumber) {
          if (this.#numberLength < longestNumber) this.#number[this.#numberLength] = byte;
          this.#numberLength++;
        }
    }
  }

  /** After the last bytes. Throws where something is open still, or a list is missing. */
  end(size: number): void {
    if (!this.#done || this.#inString) throw this.#fail("the file breaks off", size);
    for (const name of lists) {
      if (!this.#seen.has(name)) throw new LabelError("annotation-invalid", `${this.#file}: has no list of ${name}`);
    }
  }

  /** Whether what comes next is an element of a list of images or annotations. */
  #inList(): boolean {
    return this.#depth === 2 && this.#kinds[2] === 0x5b && this.#current !== undefined;
  }

  #notObject(at: number): LabelError {
    return new LabelError("annotation-invalid", `${this.#file}: ${this.#top} holds what is no object, at byte ${at}`, {
      details: { file: this.#file, at },
    });
  }

  #namesHere(): boolean {
    const kind = this.#kinds[this.#depth];
    return kind === 0x7b && (this.#depth === 1 || (this.#depth === 3 && this.#current !== undefined));
  }

  #named(): void {
    this.#expectsName = false;
    if (this.#depth === 1) {
      this.#top = lists.find((name) => this.#isNamed(name)) ?? "";
      this.#current = this.#top === "images" ? this.images : this.#top === "annotations" ? this.annotations : undefined;
    } else {
      const field = fields.find((name) => this.#isNamed(name));
      this.#wanted = field !== undefined;
      if (field !== undefined) this.#field = field;
    }
  }

  /** Compared as bytes, because there are some ten names to an annotation. */
  #isNamed(name: string): boolean {
    if (this.#nameLength !== name.length) return false;
    for (let i = 0; i < name.length; i++) if (this.#name[i] !== name.charCodeAt(i)) return false;
    return true;
  }

  #open(byte: number, at: number): void {
    if (this.#done || (this.#depth === 0 && byte !== 0x7b)) throw this.#fail("a COCO file is one object", at);
    if (this.#depth >= deepest) throw this.#fail(`lists and objects lie more than ${deepest} deep`, at);
    this.#depth++;
    this.#kinds[this.#depth] = byte;
    if (this.#depth === 2 && byte === 0x5b && this.#top !== "") {
      if (this.#seen.has(this.#top)) throw this.#fail(`${this.#top} is there twice`, at);
      this.#seen.add(this.#top);
      this.#listStart = at;
    } else if (this.#depth === 3 && this.#current !== undefined && this.#kinds[2] === 0x5b) {
      if (byte !== 0x7b) throw this.#notObject(at);
      this.#elementStart = at;
      this.#id = undefined;
      this.#image = undefined;
      this.#kind = undefined;
      this.#wanted = false;
    }
    this.#expectsName = this.#namesHere();
  }

  #close(byte: number, at: number): void {
    const open = this.#kinds[this.#depth];
    if (this.#depth === 0 || (open === 0x7b) !== (byte === 0x7d))
      throw this.#fail("a bracket closes what is not open", at);
    this.#endNumber(at);
    const section = this.#current;
    if (this.#depth === 3 && section !== undefined && this.#kinds[2] === 0x5b) {
      const length = at + 1 - this.#elementStart;
      if (this.#id === undefined || (section === this.annotations && this.#image === undefined) || length >= 2 ** 32) {
        throw new LabelError(
          "annotation-invalid",
          `${this.#file}: ${this.#top}[${section.count}] needs ${section === this.annotations ? "id and image_id" : "id"}, whole numbers of 64 bits`,
          { details: { file: this.#file, at: this.#elementStart } },
        );
      }
      section.add(this.#elementStart, length, this.#id, this.#image ?? 0n, this.#kind ?? noKind);
    } else if (this.#depth === 2 && byte === 0x5d) {
      const whole = { start: this.#listStart, end: at + 1 };
      if (section !== undefined) section.whole = whole;
      else if (this.#top === "categories") this.categories = whole;
    }
    this.#expectsName = false;
    this.#depth--;
    if (this.#depth === 0) this.#done = true;
  }

  #endNumber(at: number): void {
    if (this.#depth !== 3 || this.#numberLength === 0) return;
    if (this.#wanted) {
      const value = this.#whole();
      // A category that is no number is said when the annotation is read.
      if (this.#field === "category_id") this.#kind = value;
      else if (value === undefined) {
        throw this.#fail(`${this.#field} of ${this.#top} is no whole number of 64 bits`, at);
      } else if (this.#field === "id") this.#id = value;
      else this.#image = value;
    }
    this.#numberLength = 0;
    this.#wanted = false;
  }

  /** The number that was read; `undefined` if it is none of 64 bits. */
  #whole(): bigint | undefined {
    let value = 0;
    for (let i = 0; i < this.#numberLength; i++) {
      const digit = (this.#number[i] as number) - 0x30;
      if (!(digit >= 0 && digit <= 9) || i > 14) return this.#wholeText();
      value = value * 10 + digit;
    }
    return BigInt(value);
  }

  #wholeText(): bigint | undefined {
    if (this.#numberLength > longestNumber) return undefined;
    const text = String.fromCharCode(...this.#number.subarray(0, this.#numberLength));
    const value = /^-?\d+$/.test(text) ? BigInt(text) : undefined;
    return value === undefined || BigInt.asIntN(64, value) !== value ? undefined : value;
  }
}

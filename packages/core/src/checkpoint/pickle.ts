import { CheckpointError } from "../errors.ts";
import { decodeUtf8 } from "./utf8.ts";

/** What a pickle may hold here. Tuples are arrays too; `object` is whatever an allowed constructor made. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | Set<PickleValue>
  | PickleGlobal
  | PickleObject;

/** A name that the pickle imports; without `construct` it can be passed around but not called. */
export class PickleGlobal {
  /** `module.name` as Python has it. */
  readonly name: string;
  readonly construct: ((args: readonly PickleValue[]) => PickleValue) | undefined;

  constructor(name: string, construct?: (args: readonly PickleValue[]) => PickleValue) {
    this.name = name;
    this.construct = construct;
  }
}

/** Base of what the caller's constructors return beside plain values. */
export abstract class PickleObject {
  /** Tells the classes apart for the compiler. */
  abstract readonly kind: string;
}

export interface UnpickleOptions {
  /** How errors call the pickle: the file and the record. */
  readonly name: string;
  /** The only globals it may import, by `module.name`. */
  readonly allowed: ReadonlyMap<string, PickleGlobal>;
  /** What a persistent id stands for. */
  readonly persistentLoad: (id: PickleValue) => PickleValue;
}

/**
 * Reads a pickle of protocol 2 to 5 (reference: Python's `pickletools`) as data. Nothing is executed: a global that is
 * not `allowed` throws a `CheckpointError` with code "pickle-forbidden" and its name in `details.global`, and so does
 * an allowed one that is called but is no constructor. Everything else that is wrong throws "pickle-malformed".
 *
 * Time and memory are linear in the pickle's size: every opcode takes at least a byte and a constant number of steps.
 */
export function unpickle(
  bytes: Uint8Array,
  options: UnpickleOptions,
): { readonly value: PickleValue /** Where it ends; what follows is not looked at. */; readonly end: number } {
  const unpickler = new Unpickler(bytes, options);
  return { value: unpickler.load(), end: unpickler.at };
}

/** Longest integer taken, in bytes: a random seed is the largest that a checkpoint holds. */
const longestInteger = 64;

class Unpickler {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #options: UnpickleOptions;
  readonly #memo = new Map<number, PickleValue>();
  readonly #marks: number[] = [];
  readonly #stack: PickleValue[] = [];
  #at = 0;

  constructor(bytes: Uint8Array, options: UnpickleOptions) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#options = options;
  }

  load(): PickleValue {
    for (;;) {
      const opcode = this.uint8();
      if (opcode === 0x2e) return this.pop(); // STOP
      const run = opcodes.get(opcode);
      if (run === undefined) throw this.fail(`opcode 0x${opcode.toString(16)} is not one that state dicts are made of`);
      run(this);
    }
  }

  get at(): number {
    return this.#at;
  }

  fail(problem: string): CheckpointError {
    const { name } = this.#options;
    return new CheckpointError("pickle-malformed", `${name}: ${problem} (byte ${this.#at})`, {
      details: { file: name, offset: this.#at },
    });
  }

  push(value: PickleValue): void {
    this.#stack.push(value);
  }

  pop(): PickleValue {
    const value = this.top();
    this.#stack.pop();
    return value;
  }

  top(): PickleValue {
    const value = this.#stack.at(-1);
    if (value === undefined || this.#stack.length === (this.#marks.at(-1) ?? 0)) throw this.fail("the stack is empty");
    return value;
  }

  mark(): void {
    this.#marks.push(this.#stack.length);
  }

  /** Takes everything above the topmost mark, and the mark. */
  popMark(): PickleValue[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw this.fail("no mark is on the stack");
    return this.#stack.splice(mark);
  }

  /** POP takes a value, or the mark where it is on top. */
  discard(): void {
    if (this.#marks.length > 0 && this.#marks.at(-1) === this.#stack.length) this.#marks.pop();
    else this.pop();
  }

  tuple(length: number): void {
    const items: PickleValue[] = [];
    for (let i = 0; i < length; i++) items.unshift(this.pop());
    this.push(items);
  }

  memoize(index: number): void {
    this.#memo.set(index, this.top());
  }

  memoizeNext(): void {
    this.memoize(this.#memo.size);
  }

  recall(index: number): void {
    const value = this.#memo.get(index);
    if (value === undefined) throw this.fail(`nothing was kept as ${index}`);
    this.push(value);
  }

  append(items: readonly PickleValue[]): void {
    const list = this.top();
    if (!Array.isArray(list)) throw this.fail("items are appended to something that is no list");
    for (const item of items) list.push(item);
  }

  add(items: readonly PickleValue[]): void {
    const set = this.top();
    if (!(set instanceof Set)) throw this.fail("items are added to something that is no set");
    for (const item of items) set.add(item);
  }

  set(items: readonly PickleValue[]): void {
    const dict = this.top();
    if (!(dict instanceof Map)) throw this.fail("an item is set on something that is no dict");
    for (const [key, value] of this.pairs(items)) dict.set(key, value);
  }

  pairs(items: readonly PickleValue[]): Map<PickleValue, PickleValue> {
    if (items.length % 2 !== 0) throw this.fail("a dict's key has no value");
    const pairs = new Map<PickleValue, PickleValue>();
    for (let i = 0; i + 1 < items.length; i += 2) pairs.set(items[i] ?? null, items[i + 1] ?? null);
    return pairs;
  }

  global(module: PickleValue, name: PickleValue): void {
    if (typeof module !== "string" || typeof name !== "string") throw this.fail("an import has no name");
    const full = `${module}.${name}`;
    const found = this.#options.allowed.get(full);
    if (found === undefined) throw this.#forbidden(full, "imports");
    this.push(found);
  }

  /** Calls an allowed constructor; `callable` came from `global`, so no other code can be reached. */
  call(callable: PickleValue, args: PickleValue): void {
    if (!(callable instanceof PickleGlobal) || !Array.isArray(args))
      throw this.fail("something is called that cannot be");
    if (callable.construct === undefined) throw this.#forbidden(callable.name, "calls");
    this.push(callable.construct(args));
  }

  /** Sets an object's attributes, which no weight is in: a state dict's `_metadata`, what an object beside it is made of. */
  build(): void {
    this.pop();
    const object = this.top();
    if (!(object instanceof Map || object instanceof PickleObject))
      throw this.fail("attributes are set on something that is no dict");
  }

  persistent(): void {
    this.push(this.#options.persistentLoad(this.pop()));
  }

  uint8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  int32(): number {
    return this.#view.getInt32(this.#advance(4), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  uint64(): number {
    return Number(this.#view.getBigUint64(this.#advance(8), true)); // past 2^53 is past the end anyhow
  }

  float64(): number {
    return this.#view.getFloat64(this.#advance(8), false);
  }

  /** A little-endian two's complement integer. */
  integer(length: number): number | bigint {
    if (length > longestInteger) throw this.fail(`an integer has ${length} bytes, more than ${longestInteger}`);
    const bytes = this.take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] ?? 0);
    value = BigInt.asIntN(length * 8, value);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  take(length: number): Uint8Array {
    const from = this.#advance(length);
    return this.#bytes.subarray(from, from + length);
  }

  text(length: number): string {
    const text = decodeUtf8(this.take(length));
    if (text === undefined) throw this.fail("a string is not UTF-8");
    return text;
  }

  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw this.fail("a line does not end");
    const line = this.text(end - this.#at);
    this.#at++;
    return line;
  }

  #advance(length: number): number {
    const from = this.#at;
    if (length > this.#bytes.length - from) throw this.fail("the pickle is cut off");
    this.#at += length;
    return from;
  }

  #forbidden(global: string, verb: string): CheckpointError {
    const { name } = this.#options;
    return new CheckpointError(
      "pickle-forbidden",
      `${name}: the pickle ${verb} ${global.slice(0, 200)}, which a checkpoint has no need of; nothing was executed`,
      { details: { file: name, global } },
    );
  }
}

/** Opcodes by their byte, under the names of Python's `pickletools`; STOP is the loop's. */
const opcodes: ReadonlyMap<number, (p: Unpickler) => void> = new Map([
  [0x80, (p) => checkProtocol(p, p.uint8())], // PROTO
  [0x95, (p) => void p.uint64()], // FRAME: its opcodes follow as they are
  [0x28, (p) => p.mark()], // MARK
  [0x30, (p) => p.discard()], // POP
  [0x31, (p) => void p.popMark()], // POP_MARK
  [0x32, (p) => p.push(p.top())], // DUP

  [0x4e, (p) => p.push(null)], // NONE
  [0x88, (p) => p.push(true)], // NEWTRUE
  [0x89, (p) => p.push(false)], // NEWFALSE
  [0x4a, (p) => p.push(p.int32())], // BININT
  [0x4b, (p) => p.push(p.uint8())], // BININT1
  [0x4d, (p) => p.push(p.uint16())], // BININT2
  [0x8a, (p) => p.push(p.integer(p.uint8()))], // LONG1
  [0x8b, (p) => p.push(p.integer(p.uint32()))], // LONG4
  [0x47, (p) => p.push(p.float64())], // BINFLOAT
  [0x58, (p) => p.push(p.text(p.uint32()))], // BINUNICODE
  [0x8c, (p) => p.push(p.text(p.uint8()))], // SHORT_BINUNICODE
  [0x8d, (p) => p.push(p.text(p.uint64()))], // BINUNICODE8
  [0x54, (p) => p.push(p.text(p.uint32()))], // BINSTRING, Python 2's str
  [0x55, (p) => p.push(p.text(p.uint8()))], // SHORT_BINSTRING
  [0x42, (p) => p.push(p.take(p.uint32()))], // BINBYTES
  [0x43, (p) => p.push(p.take(p.uint8()))], // SHORT_BINBYTES
  [0x8e, (p) => p.push(p.take(p.uint64()))], // BINBYTES8
  [0x96, (p) => p.push(p.take(p.uint64()))], // BYTEARRAY8

  [0x29, (p) => p.push([])], // EMPTY_TUPLE
  [0x85, (p) => p.tuple(1)], // TUPLE1
  [0x86, (p) => p.tuple(2)], // TUPLE2
  [0x87, (p) => p.tuple(3)], // TUPLE3
  [0x74, (p) => p.push(p.popMark())], // TUPLE
  [0x5d, (p) => p.push([])], // EMPTY_LIST
  [0x6c, (p) => p.push(p.popMark())], // LIST
  [0x61, (p) => p.append([p.pop()])], // APPEND
  [0x65, (p) => p.append(p.popMark())], // APPENDS
  [0x7d, (p) => p.push(new Map())], // EMPTY_DICT
  [0x64, (p) => p.push(p.pairs(p.popMark()))], // DICT
  [0x73, (p) => setItem(p)], // SETITEM
  [0x75, (p) => p.set(p.popMark())], // SETITEMS
  [0x8f, (p) => p.push(new Set())], // EMPTY_SET
  [0x90, (p) => p.add(p.popMark())], // ADDITEMS
  [0x91, (p) => p.push(new Set(p.popMark()))], // FROZENSET

  [0x68, (p) => p.recall(p.uint8())], // BINGET
  [0x6a, (p) => p.recall(p.uint32())], // LONG_BINGET
  [0x71, (p) => p.memoize(p.uint8())], // BINPUT
  [0x72, (p) => p.memoize(p.uint32())], // LONG_BINPUT
  [0x94, (p) => p.memoizeNext()], // MEMOIZE

  [0x63, (p) => p.global(p.line(), p.line())], // GLOBAL
  [0x93, (p) => stackGlobal(p)], // STACK_GLOBAL
  [0x69, (p) => instance(p)], // INST, protocol 0: here so that what it imports is named
  [0x52, (p) => call(p)], // REDUCE
  [0x81, (p) => call(p)], // NEWOBJ: cls.__new__(cls, *args)
  [0x62, (p) => p.build()], // BUILD
  [0x51, (p) => p.persistent()], // BINPERSID
]);

function checkProtocol(p: Unpickler, protocol: number): void {
  if (protocol < 2 || protocol > 5) throw p.fail(`pickle protocol ${protocol} is not one of 2 to 5`);
}

function setItem(p: Unpickler): void {
  const value = p.pop();
  p.set([p.pop(), value]);
}

function stackGlobal(p: Unpickler): void {
  const name = p.pop();
  p.global(p.pop(), name);
}

function instance(p: Unpickler): void {
  p.global(p.line(), p.line());
  const found = p.pop();
  p.call(found, p.popMark());
}

function call(p: Unpickler): void {
  const args = p.pop();
  p.call(p.pop(), args);
}

/** A list of 32-bit numbers in one piece of memory, so that its bytes are known and no number is an object. */
export interface NumberList {
  readonly length: number;
  readonly bytes: number;
  /** The memory itself, for loops that change nothing: longer than the list, and replaced when that grows. */
  readonly numbers: Int32Array;
  at(index: number): number;
  set(index: number, value: number): void;
  /** Returns the index of the new number. */
  push(value: number): number;
  clear(): void;
  copy(): Int32Array;
}

const FIRST_ROOM = 64;
const GROWTH = 1.5;

/** A class, since lists of one hidden class are read and written twice as fast as closures. */
class GrowingList implements NumberList {
  length = 0;
  numbers = new Int32Array(FIRST_ROOM);
  get bytes() {
    return this.numbers.byteLength;
  }
  at(index: number) {
    return this.numbers[index] as number;
  }
  set(index: number, value: number) {
    this.numbers[index] = value;
  }
  push(value: number) {
    if (this.length === this.numbers.length) {
      const larger = new Int32Array(Math.ceil(this.length * GROWTH));
      larger.set(this.numbers);
      this.numbers = larger;
    }
    this.numbers[this.length] = value;
    return this.length++;
  }
  clear() {
    this.length = 0;
  }
  copy() {
    return this.numbers.slice(0, this.length);
  }
}

export const createNumberList = (): NumberList => new GrowingList();

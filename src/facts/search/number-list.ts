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

export function createNumberList(): NumberList {
  let numbers = new Int32Array(FIRST_ROOM);
  let length = 0;
  return {
    get length() {
      return length;
    },
    get bytes() {
      return numbers.byteLength;
    },
    get numbers() {
      return numbers;
    },
    at: (index) => numbers[index] as number,
    set(index, value) {
      numbers[index] = value;
    },
    push(value) {
      if (length === numbers.length) {
        const larger = new Int32Array(Math.ceil(length * GROWTH));
        larger.set(numbers);
        numbers = larger;
      }
      numbers[length] = value;
      return length++;
    },
    clear() {
      length = 0;
    },
    copy: () => numbers.slice(0, length),
  };
}

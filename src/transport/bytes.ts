/** Bytes that arrive in pieces. They are kept in one buffer that doubles: in a list, a piece of one byte holds some 200. */
export interface CollectedBytes {
  /** `full`: more than `most` bytes. `refused`: `mayGrow` has refused. Nothing is added then. */
  add(piece: Buffer): "added" | "full" | "refused";
  /** What was added since this was last called. */
  take(): Buffer;
}

/** `mayGrow` is asked for each byte that the buffer is to grow by; default yes. */
export function collectBytes(most: number, mayGrow: (bytes: number) => boolean = () => true): CollectedBytes {
  let buffer: Buffer = Buffer.alloc(0);
  let size = 0;
  return {
    add(piece) {
      const needed = size + piece.length;
      if (needed > most) return "full";
      if (needed > buffer.length) {
        const capacity = Math.max(needed, Math.min(2 * buffer.length, most));
        if (!mayGrow(capacity - buffer.length)) return "refused";
        const larger = Buffer.allocUnsafe(capacity);
        buffer.copy(larger, 0, 0, size);
        buffer = larger;
      }
      piece.copy(buffer, size);
      size = needed;
      return "added";
    },
    take() {
      const taken = buffer.subarray(0, size);
      buffer = Buffer.alloc(0);
      size = 0;
      return taken;
    },
  };
}

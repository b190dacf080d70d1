// Masks are read from memory once per tile: V8 rebuilds a v128.const at every use (measured: 10 against 15 GB/s).
const MASKS: usize = memory.data<u32>([
  0x0f0f0f0f, 0x3f3f3f3f, 0x30303030, 0x00ff00ff, 0x00010001, 0xff, 0x10101010,
  0x03030303, 0x04040404, 0x07070707, 0x18181818, 0x1f1f1f1f, 0x80808080, 32,
  0x01010101, 0xd5d5d5d5, 0x2a2a2a2a, 0x40404040, 0xffff, 0x0c0c0c0c, 0x3c3c3c3c,
  0x000f000f, 0x38383838,
], 16);
/** Addresses for load_splat<u32>: every byte 15, 63, 48; the even bytes; every i16 1; an i32's low byte; every byte 16. */
// prettier-ignore
export const M15: usize = MASKS, M63: usize = MASKS + 4, M48: usize = MASKS + 8, EVEN: usize = MASKS + 12,
  ONES: usize = MASKS + 16, M255: usize = MASKS + 20, M16: usize = MASKS + 24;
/** Every byte 3, 4, 7, 24, 31, 128; an i32's 32. */
// prettier-ignore
export const M3: usize = MASKS + 28, M4: usize = MASKS + 32, M7: usize = MASKS + 36, M24: usize = MASKS + 40,
  M31: usize = MASKS + 44, M128: usize = MASKS + 48, M32: usize = MASKS + 52;
/** Every byte 1, -43, 42, 64; an i32's low half. */
// prettier-ignore
export const M1: usize = MASKS + 56, BELOW1: usize = MASKS + 60, BELOW2: usize = MASKS + 64, M64: usize = MASKS + 68,
  LOW16: usize = MASKS + 72;
/** Every byte 12, 60; every i16 15; every byte 56. */
// prettier-ignore
export const M12: usize = MASKS + 76, M60: usize = MASKS + 80, M15X2: usize = MASKS + 84, M56: usize = MASKS + 88;

import { describe, expect, it } from "vitest";
import {
  CodeError,
  formatSecurityCode,
  newSecurityCode,
  normaliseAccessPassword,
  parseSecurityCode,
  proposeAccessPassword,
} from "./codes";

describe("security codes", () => {
  it("have nine digits, leading zeros included", () => {
    expect(newSecurityCode(() => Uint8Array.of(0, 0, 0, 42))).toBe("000000042");
    expect(newSecurityCode()).toMatch(/^[0-9]{9}$/);
  });

  it("reject draws that would make some codes likelier", () => {
    const draws = [Uint8Array.of(0xee, 0x6b, 0x28, 0x00), Uint8Array.of(0xee, 0x6b, 0x27, 0xff)];
    expect(newSecurityCode(() => draws.shift() ?? new Uint8Array(4))).toBe("999999999");
    expect(draws).toHaveLength(0);
  });

  it("are shown 3-3-3", () => {
    expect(formatSecurityCode("012345678")).toBe("012 345 678");
  });

  it.each(["123456789", " 123-456-789\n", "123.456.789", "１２３　４５６－７８９", "١٢٣ ٤٥٦ ٧٨٩", "१२३–४५६—७८९"])(
    "are read as people type them: %s",
    (typed) => {
      expect(parseSecurityCode(typed)).toBe("123456789");
    },
  );

  it("are read from digits that follow another run of digits", () => {
    expect(parseSecurityCode("𝟎𝟏𝟐 𝟘𝟙𝟚 𝟶𝟷𝟸")).toBe("012012012");
  });

  it.each(["", "12345678", "1234567890", "12345678a", "12345678²", `1${" ".repeat(99)}`])("refuse %s", (typed) => {
    expect(() => parseSecurityCode(typed)).toThrow(CodeError);
  });
});

describe("access passwords", () => {
  it("are proposed from 32 unambiguous characters", () => {
    expect(proposeAccessPassword()).toMatch(/^[a-km-np-z2-9]{4}-[a-km-np-z2-9]{4}-[a-km-np-z2-9]{4}$/);
    const propose = (byte: number): string => proposeAccessPassword((size) => new Uint8Array(size).fill(byte));
    const all = new Set(Array.from({ length: 256 }, (_, byte) => propose(byte)));
    expect(all.size).toBe(32);
  });

  it("are normalised", () => {
    expect(normaliseAccessPassword("cafe\u0301")).toBe("caf\u00e9");
  });

  it.each(["", "a\nb", "\ud800", "x".repeat(257), "é".repeat(129)])("refuse %j", (typed) => {
    expect(() => normaliseAccessPassword(typed)).toThrow(CodeError);
  });

  it("may have 256 bytes", () => {
    expect(normaliseAccessPassword("é".repeat(128))).toHaveLength(128);
  });
});

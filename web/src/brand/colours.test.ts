import { expect, test } from "vitest";
import { LEAST_CONTRAST, accentStyle, accentsOf, contrast, contrastOn, isColour, type Scheme } from "./colours";

test("contrast as WCAG counts it", () => {
  expect(contrast("#000000", "#ffffff")).toBeCloseTo(21);
  expect(contrast("#777777", "#ffffff")).toBeCloseTo(4.48, 2);
  expect(contrast("#0b6b8a", "#0b6b8a")).toBe(1);
});

const COLOURS = ["#000000", "#ffffff", "#ffff00", "#0000ff", "#ff0000", "#808080", "#0b6b8a", "#62c3e3", "#1b2229"];

test.each(COLOURS.flatMap((colour) => (["light", "dark"] as Scheme[]).map((scheme) => [colour, scheme] as const)))(
  "%s can be read in the %s scheme",
  (colour, scheme) => {
    const { accent, onAccent, tint } = accentsOf(colour, scheme);
    expect(contrastOn(accent, scheme)).toBeGreaterThanOrEqual(LEAST_CONTRAST);
    // Rounding to eight bits may cost a hundredth.
    expect(contrast(accent, tint)).toBeGreaterThanOrEqual(LEAST_CONTRAST - 0.05);
    expect(contrast(accent, onAccent)).toBeGreaterThanOrEqual(LEAST_CONTRAST);
  },
);

test("a colour that can be read stays as it is", () => {
  expect(accentsOf("#0b6b8a", "light").accent).toBe("#0b6b8a");
});

test("what is no colour changes nothing", () => {
  expect([accentStyle("", "light"), accentStyle("red; x", "dark"), isColour("#12345")]).toEqual([{}, {}, false]);
  expect(Object.keys(accentStyle("#123456", "dark"))).toEqual([
    "--accent",
    "--accent-strong",
    "--on-accent",
    "--accent-tint",
  ]);
});

/** Keys and combinations that the technician's own system would catch (keysyms: X11 `keysymdef.h`). */

export type Chord = readonly (readonly [keysym: number, code: string])[];

const CONTROL = [0xffe3, "ControlLeft"] as const;
const ALT = [0xffe9, "AltLeft"] as const;
const SUPER = [0xffeb, "MetaLeft"] as const;
const TAB = [0xff09, "Tab"] as const;
const ESCAPE = [0xff1b, "Escape"] as const;
const SHIFT = [0xffe1, "ShiftLeft"] as const;

const functionKey = (n: number): readonly [number, string] => [0xffbd + n, `F${n}`];

/** Each with the name that stands on keyboards. */
export const CHORDS: readonly { readonly name: string; readonly chord: Chord }[] = [
  { name: "Alt+Tab", chord: [ALT, TAB] },
  { name: "Alt+F4", chord: [ALT, functionKey(4)] },
  { name: "Esc", chord: [ESCAPE] },
  { name: "Super", chord: [SUPER] },
  { name: "Ctrl+Esc", chord: [CONTROL, ESCAPE] },
  { name: "Ctrl+Shift+Esc", chord: [CONTROL, SHIFT, ESCAPE] },
  { name: "Ctrl+W", chord: [CONTROL, [0x77, "KeyW"]] },
  { name: "Ctrl+T", chord: [CONTROL, [0x74, "KeyT"]] },
  { name: "Ctrl+Alt+T", chord: [CONTROL, ALT, [0x74, "KeyT"]] },
  { name: "F5", chord: [functionKey(5)] },
  { name: "F11", chord: [functionKey(11)] },
  { name: "Print", chord: [[0xff61, "PrintScreen"]] },
];

import { useEffect, useRef } from "preact/hooks";

/**
 * Shortcuts of the viewer: Ctrl+Alt+Shift and a letter, wherever the focus is, and `?` (as H) outside the remote screen.
 * They are caught before noVNC sees them; the three keys held down do reach the computer, and are released there.
 */
export function useShortcuts(actions: Readonly<Record<string, () => void>>): void {
  const latest = useRef(actions);
  latest.current = actions;
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      const isChord = event.ctrlKey && event.altKey && event.shiftKey;
      const action = isChord ? latest.current[event.code.replace(/^Key/, "")] : undefined;
      const isRemote = event.target instanceof Element && event.target.closest("canvas, input, textarea") !== null;
      const isHelp = event.key === "?" && !isRemote;
      if (action === undefined && !isHelp) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      (action ?? latest.current["H"])?.();
    };
    addEventListener("keydown", press, { capture: true });
    return () => removeEventListener("keydown", press, { capture: true });
  }, []);
}

/** Icons say again what the word beside them says; alone they would be hidden from screen readers, so they always are. */
import type { LucideIcon } from "lucide-preact";

export type IconType = LucideIcon;

export function Icon({ as: Drawing, size = 20 }: { as: LucideIcon; size?: number }) {
  return <Drawing size={size} aria-hidden="true" focusable="false" />;
}

import type { ComponentChildren } from "preact";
import { Face } from "../ui/faces";
import type { IconType } from "../ui/icon";

/** The one thing to know when there is nothing to do on the page. */
export function Stop({
  icon,
  title,
  hint,
  children,
}: {
  icon: IconType;
  title: string;
  hint: string;
  children?: ComponentChildren;
}) {
  document.title = title;
  return (
    <div class="card">
      <Face icon={icon} title={title} heading="h1">
        <p>{hint}</p>
        {children}
      </Face>
    </div>
  );
}

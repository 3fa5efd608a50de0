import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

/** One matter of a page, under its own heading. */
export function Card({
  title,
  intro,
  aside,
  children,
}: {
  title: string;
  intro?: ComponentChildren;
  /** What stands at the end of the heading's line. */
  aside?: ComponentChildren;
  children?: ComponentChildren;
}) {
  const id = useId();
  return (
    <section class="card stack" aria-labelledby={id}>
      <div>
        <div class="card-head">
          <h2 id={id}>{title}</h2>
          {aside}
        </div>
        {intro !== undefined && <p class="hint">{intro}</p>}
      </div>
      {children}
    </section>
  );
}

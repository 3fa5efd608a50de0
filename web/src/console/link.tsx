import type { ComponentChildren } from "preact";
import { goTo } from "./routes";

/** A link to another page of the console: it keeps the page, and still opens in a new tab where that is wanted. */
export function Link({
  href,
  class: className,
  isCurrent = false,
  children,
}: {
  href: string;
  class?: string;
  isCurrent?: boolean;
  children: ComponentChildren;
}) {
  const press = (event: MouseEvent): void => {
    if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    goTo(href);
    scrollTo(0, 0);
  };
  return (
    <a href={href} class={className} aria-current={isCurrent ? "page" : undefined} onClick={press}>
      {children}
    </a>
  );
}

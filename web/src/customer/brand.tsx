/** What makes the page the company's own: its logo and, where they can be read, its colours. */
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { accentStyle, type Scheme } from "../brand/colours";
import type { LinkFacts } from "../api/types";
import { clean } from "../text/clean";

export type Brand = Pick<LinkFacts, "company" | "colour" | "has_logo"> & { readonly invite: string };

const DARK = matchMedia("(prefers-color-scheme: dark)");
const scheme = signal<Scheme>(DARK.matches ? "dark" : "light");
DARK.addEventListener("change", () => {
  scheme.value = DARK.matches ? "dark" : "light";
});

/** The page in the company's colours; in ours as long as nobody knows whose it is. */
export function Branded({ brand, children }: { brand: Brand | null; children: ComponentChildren }) {
  return (
    <div class="customer" style={brand === null ? {} : accentStyle(brand.colour, scheme.value)}>
      {children}
    </div>
  );
}

/** The company's logo on white, which is what logos are made for; its name where there is none. */
export function Logo({ brand }: { brand: Brand | null }) {
  if (brand === null) return <span />;
  const company = clean(brand.company);
  if (!brand.has_logo) return <p class="customer-company">{company}</p>;
  return <img class="customer-logo" src={`/api/v1/links/${encodeURIComponent(brand.invite)}/logo`} alt={company} />;
}

/** The faces every page has: loading, empty, failed; and notices inside pages. */
import { CircleAlert, CircleCheck, Info, LoaderCircle, TriangleAlert } from "lucide-preact";
import type { ComponentChildren } from "preact";
import { t } from "../i18n/text";
import { Icon, type IconType } from "./icon";

const NOTICE_ICONS = { info: Info, good: CircleCheck, warning: TriangleAlert, bad: CircleAlert } as const;

/** A sentence with an icon and a colour. `live` ones are read out when they appear. */
export function Notice({
  kind,
  live = false,
  children,
}: {
  kind: keyof typeof NOTICE_ICONS;
  live?: boolean;
  children: ComponentChildren;
}) {
  return (
    <div class={`notice ${kind}`} role={live ? (kind === "bad" ? "alert" : "status") : undefined}>
      <Icon as={NOTICE_ICONS[kind]} />
      <div class="notice-body">{children}</div>
    </div>
  );
}

/** Work is going on. */
export function Loading({ text }: { text?: string }) {
  return (
    <p class="loading" role="status">
      <Icon as={LoaderCircle} />
      {text ?? t("loading")}
    </p>
  );
}

/** The one thing on an otherwise empty page or part of a page. */
export function Face({
  icon,
  title,
  heading: Heading = "h2",
  children,
}: {
  icon: IconType;
  title: string;
  heading?: "h1" | "h2" | "h3";
  children?: ComponentChildren;
}) {
  return (
    <div class="face">
      <Icon as={icon} size={40} />
      <Heading>{title}</Heading>
      {children}
    </div>
  );
}

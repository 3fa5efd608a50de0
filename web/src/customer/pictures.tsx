/**
 * Pictures of what the customer will see: drawn, not photographed, since browsers and desktops look different everywhere.
 * Colours are the page's own (`customer.css`), light and dark; what each shows is said by its label.
 */
import type { ComponentChildren } from "preact";
import { t } from "../i18n/text";

const WIDTH = 240;
const HEIGHT = 150;

function Picture({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <svg class="picture" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
      <rect class="p-desk" width={WIDTH} height={HEIGHT} rx="8" />
      {children}
    </svg>
  );
}

/** A line of writing that need not be read. */
function Words({ x, y, width }: { x: number; y: number; width: number }) {
  return <rect class="p-words" x={x} y={y} width={width} height="5" rx="2.5" />;
}

function Pointer({ x, y }: { x: number; y: number }) {
  return <path class="p-pointer" d={`M${x} ${y}v17l4.5-4 3 7 3.5-1.5-3-7h6z`} />;
}

/** The list of downloads at the top of a browser. */
export function DownloadsPicture({ file, label, hasPointer }: { file: string; label: string; hasPointer: boolean }) {
  return (
    <Picture label={label}>
      <rect class="p-window" x="14" y="14" width="212" height="136" rx="6" />
      <path class="p-bar" d="M14 38V20a6 6 0 0 1 6-6h200a6 6 0 0 1 6 6v18z" />
      <circle class="p-words" cx="27" cy="26" r="4" />
      <circle class="p-words" cx="41" cy="26" r="4" />
      <rect class="p-window" x="56" y="20" width="120" height="12" rx="6" />
      <rect class="p-marked" x="184" y="17" width="30" height="18" rx="4" />
      <path class="p-arrow" d="M199 20v8m-4-4 4 4 4-4m-9 8h10" />
      <Words x={30} y={52} width={48} />
      <Words x={30} y={66} width={36} />
      <rect class="p-box" x="88" y="42" width="130" height="62" rx="6" />
      <text class="p-text p-strong" x="98" y="58">
        {t("customer_word_downloads")}
      </text>
      <rect class="p-marked" x="96" y="66" width="114" height="28" rx="4" />
      <path class="p-file" d="M104 71h8l5 5v13h-13z" />
      <text class="p-text" x="124" y="84">
        {file}
      </text>
      {hasPointer && <Pointer x={176} y={86} />}
    </Picture>
  );
}

/** The question of Windows whether a program may make changes. */
export function RightsPicture({ file, label }: { file: string; label: string }) {
  return (
    <Picture label={label}>
      <rect class="p-shade" width={WIDTH} height={HEIGHT} rx="8" />
      <rect class="p-box" x="40" y="16" width="160" height="118" rx="6" />
      <path class="p-bar" d="M40 40V22a6 6 0 0 1 6-6h148a6 6 0 0 1 6 6v18z" />
      <text class="p-text p-strong" x="52" y="32">
        {t("customer_word_question")}
      </text>
      <path class="p-shield" d="M64 52l12 4v8c0 8-5 13-12 16-7-3-12-8-12-16v-8z" />
      <text class="p-text" x="86" y="63">
        {file}
      </text>
      <Words x={86} y={71} width={70} />
      <rect class="p-button" x="52" y="98" width="62" height="24" rx="4" />
      <text class="p-text p-on-button" x="83" y="114" text-anchor="middle">
        {t("customer_word_yes")}
      </text>
      <rect class="p-plain" x="126" y="98" width="62" height="24" rx="4" />
      <text class="p-text" x="157" y="114" text-anchor="middle">
        {t("customer_word_no")}
      </text>
      <Pointer x={96} y={112} />
    </Picture>
  );
}

/** The properties of a file, with the tick that lets it run. */
export function PropertiesPicture({ file, label }: { file: string; label: string }) {
  return (
    <Picture label={label}>
      <rect class="p-box" x="20" y="14" width="200" height="122" rx="6" />
      <path class="p-bar" d="M20 38V20a6 6 0 0 1 6-6h188a6 6 0 0 1 6 6v18z" />
      <text class="p-text p-strong" x="120" y="30" text-anchor="middle">
        {file}
      </text>
      <path class="p-file" d="M46 50h10l7 7v19H46z" />
      <Words x={76} y={52} width={90} />
      <Words x={76} y={66} width={60} />
      <rect class="p-marked" x="28" y="90" width="184" height="32" rx="4" />
      <rect class="p-button" x="38" y="98" width="16" height="16" rx="3" />
      <path class="p-tick" d="M42 106l3 3 5-6" />
      <text class="p-text" x="62" y="110">
        {t("customer_word_executable")}
      </text>
      <Pointer x={48} y={108} />
    </Picture>
  );
}

/** A terminal into which a line was pasted. */
export function TerminalPicture({ label }: { label: string }) {
  return (
    <Picture label={label}>
      <rect class="p-terminal" x="20" y="18" width="200" height="114" rx="6" />
      <path class="p-bar" d="M20 38V24a6 6 0 0 1 6-6h188a6 6 0 0 1 6 6v14z" />
      <text class="p-prompt" x="32" y="60">
        $
      </text>
      <rect class="p-typed" x="44" y="53" width="160" height="7" rx="3" />
      <rect class="p-typed" x="32" y="67" width="172" height="7" rx="3" />
      <rect class="p-typed" x="32" y="81" width="96" height="7" rx="3" />
      <rect class="p-caret" x="132" y="79" width="6" height="11" />
    </Picture>
  );
}

/** The program's own window, asking for the code. */
export function CodePicture({ label }: { label: string }) {
  return (
    <Picture label={label}>
      <rect class="p-box" x="26" y="12" width="188" height="126" rx="6" />
      <path class="p-bar" d="M26 36V18a6 6 0 0 1 6-6h176a6 6 0 0 1 6 6v18z" />
      <text class="p-text p-strong" x="38" y="28">
        {t("customer_word_window")}
      </text>
      <Words x={38} y={46} width={130} />
      <Words x={38} y={57} width={92} />
      <rect class="p-field" x="38" y="74" width="108" height="28" rx="4" />
      <text class="p-code" x="92" y="93" text-anchor="middle">
        123 456 789
      </text>
      <rect class="p-button" x="154" y="74" width="48" height="28" rx="4" />
      <path class="p-tick" d="M170 88h14m-5-5 5 5-5 5" />
      <Words x={38} y={116} width={150} />
    </Picture>
  );
}

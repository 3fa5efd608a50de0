import { Download } from "lucide-preact";
import type { CompanySettings } from "../api/company";
import { type Scheme, accentStyle } from "../brand/colours";
import { t } from "../i18n/text";
import { clean } from "../text/clean";
import { Icon } from "../ui/icon";

/** The head of the customer's page as it will look, in a scheme that need not be this page's. Nothing in it can be pressed. */
export function BrandPreview({
  scheme,
  company,
  colour,
  logo,
}: {
  scheme: Scheme;
  company: CompanySettings;
  colour: string;
  logo: string | null;
}) {
  const name = clean(company.name, 100);
  return (
    <figure class="preview-frame">
      <div class={`preview ${scheme}`} style={accentStyle(colour, scheme)}>
        {logo !== null && <img class="preview-logo" src={logo} alt="" />}
        <p class="preview-title">{t("customer_title", { company: name })}</p>
        <p>{t("preview_text")}</p>
        {company.phone !== "" && <p class="preview-tint">{t("customer_phone", { phone: clean(company.phone) })}</p>}
        <span class="preview-button">
          <Icon as={Download} size={18} />
          {t("preview_button")}
        </span>
        <span class="preview-link">{t("preview_link")}</span>
      </div>
      <figcaption class="hint">{t(scheme === "light" ? "preview_light" : "preview_dark")}</figcaption>
    </figure>
  );
}

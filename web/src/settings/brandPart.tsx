import { useSignal } from "@preact/signals";
import { ImageUp, Save, Trash2 } from "lucide-preact";
import { useRef } from "preact/hooks";
import { companyApi } from "../api/company";
import { LEAST_CONTRAST, contrastOn, isColour } from "../brand/colours";
import { language, t } from "../i18n/text";
import { encodeBase64url } from "../protocol/links";
import { Button } from "../ui/buttons";
import { Card } from "../ui/card";
import { sentenceOf } from "../ui/errors";
import { Notice } from "../ui/faces";
import { Field } from "../ui/field";
import { Form, useSubmission } from "../ui/form";
import { SavedMark } from "../ui/savedMark";
import { BrandPreview } from "./brandPreview";
import { NotAPicture, logoOf } from "./logo";
import type { CompanyPartProps } from "./settingsPage";

/** The product's own accent, shown while the company has none. */
const OWN = "#0b6b8a";

/** Colour and logo of what customers see, with how it will look. */
export function BrandPart(props: CompanyPartProps) {
  const { company } = props.answer;
  const colour = useSignal(company.colour);
  // Changes with each new logo: the address stays the same, and browsers keep pictures.
  const version = useSignal(0);
  const logo = company.has_logo ? `/api/v1/company/logo?v=${version.value}` : null;
  return (
    <>
      <ColourCard {...props} colour={colour} />
      <LogoCard {...props} logo={logo} onChanged={async () => {
        version.value += 1;
        await props.reload();
      }} />
      <Card title={t("brand_preview")} intro={t("brand_preview_intro")}>
        <div class="previews">
          <BrandPreview scheme="light" company={company} colour={colour.value} logo={logo} />
          <BrandPreview scheme="dark" company={company} colour={colour.value} logo={logo} />
        </div>
      </Card>
    </>
  );
}

function ColourCard({ answer, reload, colour }: CompanyPartProps & { colour: ReturnType<typeof useSignal<string>> }) {
  const submission = useSubmission(["colour"]);
  const typed = colour.value ?? "";
  const save = async (): Promise<void> => {
    const wanted = typed.trim().toLowerCase();
    if (wanted !== "" && !isColour(wanted)) return submission.refuse("colour", t("colour_wanted"));
    await companyApi.change({ colour: wanted });
    await reload();
  };
  return (
    <Card title={t("colour")} intro={t("colour_intro")}>
      <Form submission={submission} onSend={save}>
        <Field label={t("colour_code")} hint={t("colour_hint")} error={submission.of("colour")}>
          {(attributes) => (
            <div class="with-button">
              <input
                type="color"
                class="swatch"
                aria-label={t("colour_pick")}
                value={isColour(typed) ? typed : OWN}
                onInput={(event) => (colour.value = event.currentTarget.value)}
              />
              <input
                {...attributes}
                class="secret"
                maxLength={7}
                spellcheck={false}
                autocomplete="off"
                value={typed}
                onInput={(event) => (colour.value = event.currentTarget.value)}
              />
            </div>
          )}
        </Field>
        <ContrastNote colour={typed} />
        <div class="row">
          <Button kind="main" type="submit" icon={Save} disabled={submission.isBusy.value}>
            {t("save")}
          </Button>
          {(typed !== "" || answer.company.colour !== "") && (
            <Button
              onPress={() => {
                colour.value = "";
                void submission.send(save);
              }}
            >
              {t("colour_none")}
            </Button>
          )}
          <SavedMark submission={submission} />
        </div>
      </Form>
    </Card>
  );
}

/** Says how well the colour itself can be read, and that it is adjusted where it cannot. */
function ContrastNote({ colour }: { colour: string }) {
  if (!isColour(colour)) return null;
  const say = (value: number): string => value.toLocaleString(language.value, { maximumFractionDigits: 1 });
  const [light, dark] = [contrastOn(colour, "light"), contrastOn(colour, "dark")];
  const isGood = Math.min(light, dark) >= LEAST_CONTRAST;
  return (
    <Notice kind={isGood ? "good" : "info"}>
      <p>{t("contrast", { light: say(light), dark: say(dark) })}</p>
      {!isGood && <p>{t("contrast_adjusted")}</p>}
    </Notice>
  );
}

function LogoCard({ logo, onChanged }: CompanyPartProps & { logo: string | null; onChanged: () => Promise<void> }) {
  const submission = useSubmission([], (error) => (error instanceof NotAPicture ? t("logo_unreadable") : sentenceOf(error)));
  const chooser = useRef<HTMLInputElement>(null);
  const upload = async (file: File): Promise<void> => {
    const { mediaType, blob } = await logoOf(file);
    await companyApi.setLogo(mediaType, encodeBase64url(new Uint8Array(await blob.arrayBuffer())));
    await onChanged();
  };
  const remove = async (): Promise<void> => {
    await companyApi.removeLogo();
    await onChanged();
  };
  return (
    <Card title={t("logo")} intro={t("logo_intro")}>
      {logo === null ? <p class="soft">{t("logo_none")}</p> : <img class="logo-now" src={logo} alt={t("logo")} />}
      {submission.fault.value !== null && (
        <Notice kind="bad" live>
          {submission.fault.value}
        </Notice>
      )}
      <div class="row">
        <input
          ref={chooser}
          hidden
          type="file"
          accept="image/*"
          aria-label={t("logo_choose")}
          onChange={(event) => {
            const input = event.currentTarget;
            const file = input.files?.[0];
            if (file !== undefined) void submission.send(() => upload(file)).then(() => (input.value = ""));
          }}
        />
        <Button icon={ImageUp} disabled={submission.isBusy.value} onPress={() => chooser.current?.click()}>
          {t("logo_choose")}
        </Button>
        {logo !== null && (
          <Button icon={Trash2} disabled={submission.isBusy.value} onPress={() => void submission.send(remove)}>
            {t("logo_remove")}
          </Button>
        )}
        <SavedMark submission={submission} />
      </div>
    </Card>
  );
}

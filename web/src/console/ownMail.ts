import type { Me, Session } from "../api/types";
import { textIn } from "../i18n/text";
import type { Pending } from "../keeping/pending";
import { linkOf } from "../keeping/preparation";
import { mailtoUrl } from "../text/mailto";

/** A message in the customer's language, for the technician's own mail program. */
export function ownMail(me: Me, session: Session, pending: Pending): string {
  const { company, technician } = me;
  const subject = textIn(session.language, "mail_subject", { company: company.name });
  const body = textIn(session.language, "mail_body", {
    link: linkOf(pending, location.origin),
    technician: technician.name,
    company: company.phone === "" ? company.name : `${company.name}, ${company.phone}`,
  });
  return mailtoUrl(session.customer_email, subject, body);
}

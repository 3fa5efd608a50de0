/** Why the program does not begin on the customer's computer, and what a technician can tell the customer. */
export const refusals = {
  step_refused_managed_host: "Not started: the computer is managed already",
  advice_refused_managed_host:
    "The computer already has remote support software of an organisation. Help them with that, or ask whoever manages the computer.",
  step_refused_other_host: "Not started: another support session runs there",
  advice_refused_other_host:
    "Another temporary session is running on that computer. Ask the customer to end it in its window first, or to restart the computer if there is none.",
  step_refused_no_rights: "Not started: no administrator’s rights",
  advice_refused_no_rights:
    "Ask the customer to start the program again and answer Yes when Windows asks; a user without those rights needs an administrator’s password.",
  step_refused_old_system: "Not started: the computer’s system is too old",
  advice_refused_old_system: "The program does not run on that computer’s system. You cannot help with it from here.",
  step_refused_dead_link: "Not started: the link is used or too old",
  advice_refused_dead_link:
    "Each link is good for one computer, until it is activated or lapses. Prepare a new session and give the customer the new link.",
  step_refused_clock: "Not started: the computer’s clock is wrong",
  advice_refused_clock:
    "Ask the customer to set date and time right (in the system’s settings: set automatically), and then to start the program again.",
  step_refused_wrong_relay: "Not started: this relay was not recognised",
  advice_refused_wrong_relay:
    "The program met another relay than before. If the relay’s keys were not changed, somebody may be listening on the customer’s network: let them try another one.",
  step_refused_no_display: "Not started: no desktop",
  advice_refused_no_display: "Ask the customer to start the program on the desktop of that computer, not from a text console.",
  step_refused_cannot_install: "Not started: nothing can be written there",
  advice_refused_cannot_install: "The disk may be full, or the customer’s folder read-only. The program’s own message says which.",
} as const;

/** The customer's page. */
export const customer = {
  customer_title: "Remote support by {company}",
  customer_who: "{technician} of {company} would like to help you with this computer.",
  customer_phone: "Phone: {phone}",
  customer_warning_title: "Did you ask for this help?",
  customer_warning:
    "Never go on because a stranger called you. No bank, no authority and no “Microsoft” calls you to look into your computer. If you are not sure, close this page and call the company yourself.",
  customer_report: "Report a suspicious call",
  customer_valid_until: "This link works until {moment}.",

  // Before the download
  customer_clock:
    "The clock of this computer is wrong by about {minutes} minutes. Please set date and time to “automatic” in its settings, then load this page again.",
  customer_network:
    "Something on the way to {company} keeps the connection closed: a proxy, a firewall or a security program. Please try another network, for instance your phone’s hotspot, or ask whoever looks after this network to allow WebSocket connections to {host}.",
  customer_old_system:
    "This Windows is too old for the program, which needs Windows 10 or newer. Please tell your technician, or open the link on a newer computer.",
  customer_system:
    "This computer seems to run {system}, and there is no program for it here. Please tell your technician, or open the link on the computer that needs help.",
  customer_system_other:
    "There is no program for this kind of computer here. Please tell your technician, or open the link on the computer that needs help.",

  // The button
  customer_get: "Download the support program ({size})",
  customer_get_for: "Download for {system} ({size})",
  customer_for_windows: "Windows",
  customer_for_linux: "Linux",
  customer_for_python: "Linux with Python",
  customer_signed: "Signed by {signer}.",
  customer_unsigned: "Windows does not know who made this program, and asks once more before it starts it (step 2).",
  customer_linux_since: "Runs on {systems} and newer.",
  customer_linux_older: "On an older Linux, take “Linux with Python” under “Other ways to start it”.",
  customer_fetching: "Downloading: {received} of {size}",
  customer_fetching_again: "The connection broke. Going on by itself: {received} of {size}",
  customer_checking: "Checking the program…",
  customer_saved: "The program is in your downloads, ready for you: it knows this link, you only type the code.",
  customer_save_again: "Save it once more",
  customer_fetch_broken: "The download broke off several times. Please check your internet connection, then try again.",
  customer_fetch_damaged:
    "What arrived is not the program that was sent: something on the way changes downloads, perhaps a security program. Nothing was saved. Please try another network, for instance your phone’s hotspot.",
  customer_fetch_gone: "The program was replaced in this moment, or the link does not work any more. Please load this page again.",
  customer_no_place: "The program could not be prepared for you on this page. Please download it here; it will then ask for the link:",
  customer_plain_hint: "After the program starts it asks for the link. Copy it here, and paste it there.",
  customer_copy_link: "Copy the link",

  // What will happen
  customer_next: "What happens next",
  customer_open_windows: "Open the downloaded file: click on it in the browser’s list of downloads. If the browser asks, choose “Keep”.",
  customer_open_windows_alt: "A browser with its list of downloads open; in it the file {file} with the mouse pointer on it.",
  customer_rights_windows: "Windows asks whether the program may make changes. Answer “Yes”.",
  customer_rights_windows_unsigned:
    "If Windows says that it protected your PC, choose “More info” and “Run anyway”. Then it asks whether the program may make changes: answer “Yes”.",
  customer_rights_windows_alt: "A question of Windows with a shield and the file’s name; of the answers Yes and No, Yes is marked.",
  customer_open_linux: "The browser saves the program among your downloads.",
  customer_open_linux_alt: "A browser with its list of downloads open; in it the file {file}.",
  customer_rights_linux: "Allow it to run: right click on the file, “Properties”, “Executable as program”. Then open it.",
  customer_rights_linux_alt: "The properties of the file {file}; the tick at “Executable as program” is set.",
  customer_rights_python: "Open a terminal, paste the line below and press Enter.",
  customer_rights_python_alt: "A terminal with a line in it that was pasted.",
  customer_code_step: "Look for the window “Remote support”. Type the security code that the technician tells you on the phone.",
  customer_code_alt: "The window “Remote support” with who is asking, and a field with the nine digits of a code.",
  customer_code_terminal: "The terminal asks for the security code. Type the one that the technician tells you on the phone.",
  customer_code_terminal_alt: "A terminal that asks for the code.",
  customer_word_yes: "Yes",
  customer_word_no: "No",
  customer_word_question: "Allow changes?",
  customer_word_executable: "Executable as program",
  customer_word_window: "Remote support",
  customer_word_downloads: "Downloads",
  customer_afterwards:
    "You see all the time that somebody is connected, and can end it at any moment. Afterwards the program removes itself.",
  customer_step_downloaded: "The program is on its way to your downloads. Open it there, then look for the window “Remote support”.",
  customer_step_downloaded_linux: "The program is on its way to your downloads. Go on with step 2.",
  customer_step_started: "The program is running. Look for its window, “Remote support”.",
  customer_step_rights: "The computer asks whether the program may go on. Please answer Yes.",
  customer_step_code: "The program waits for the security code. Look for its window, “Remote support”.",
  customer_step_wrong_code:
    "That was not the right code. Ask the technician to read it out again, and type it into the program’s window.",

  // Why the program did not begin; codes of `relay/protocol/refusals.py`
  customer_refused: "The program could not begin on this computer. Please tell your technician.",
  customer_refused_managed_host:
    "This computer has remote support software of an organisation already. Please ask whoever manages the computer, and tell your technician.",
  customer_refused_other_host:
    "Another support session is running on this computer. End it in its window first, or restart the computer; then start the program again.",
  customer_refused_no_rights: "The program needs an administrator’s rights. Start it once more, and answer “Yes” when Windows asks.",
  customer_refused_old_system: "The program does not run on this computer’s system, which is too old for it. Please tell your technician.",
  customer_refused_dead_link: "The program says that this link does not work any more. Please ask your technician for a new one.",
  customer_refused_clock:
    "The clock of this computer is wrong. Set date and time to “automatic” in its settings, then start the program again.",
  customer_refused_wrong_relay:
    "The program did not recognise the support service: somebody may be listening in this network. Please try another network, and tell your technician.",
  customer_refused_no_display: "The program found no desktop. Start it on the desktop of this computer, not from a text console.",
  customer_refused_cannot_install: "The program cannot write on this computer. The disk may be full; please tell your technician.",

  // Other ways
  customer_start_line: "Or start it from a terminal",
  customer_start_line_hint: "Paste this line and press Enter. It starts the program that you downloaded.",
  customer_other_ways: "Other ways to start it",
  customer_or_line: "One line for the terminal",
  customer_line_hint: "Open a terminal, paste this line and press Enter. It downloads the program and starts it.",
  customer_line_label: "Line for the terminal",
  customer_copy_line: "Copy the line",
  customer_other_files: "For another computer",
  customer_other_files_hint: "Save the program here, and start it on the computer that needs help.",
  customer_with_python: "Instead, with the Python that is on this computer ({versions}):",
  customer_about_file: "About this file",
  customer_file_name: "Name",
  customer_file_size: "Size",
  customer_file_version: "Version",
  customer_file_signer: "Signed by",
  customer_nobody: "nobody",
  customer_file_hash_hint: "The SHA-256 is that of the file before this page writes your link into it; the page has compared it.",

  // When there is nothing to do here
  customer_lapsed: "This link does not work any more",
  customer_lapsed_hint: "It was used already, it is too old, or it is not complete. Please ask your technician for a new one.",
  customer_running: "The session is running",
  customer_running_hint:
    "Everything is ready: your technician can help you now. You can close this page; to end the session, use the window “Remote support”.",
  customer_used: "This link was used already",
  customer_used_hint: "The session is running. If the program is not on this computer, please call your technician.",
  customer_incomplete: "The link is not complete",
  customer_incomplete_hint: "A part at its end is missing. Please go back to the message and copy the whole link, up to its last character.",
  customer_on_phone: "Please open this link on the computer",
  customer_on_phone_hint:
    "It looks as if you are on a phone or tablet. Open the same message on the computer that needs help, and open the link there. Or send the link there from here:",
  customer_on_phone_mail: "E-mail it to yourself",
  customer_on_phone_share: "Share…",
  customer_on_phone_subject: "Link for remote support",
  customer_on_phone_body: "Open this link on the computer that needs help:\n\n{link}\n",
  customer_on_phone_code: "Show it to a computer with a camera",
  customer_on_phone_code_label: "QR code of the link",
  customer_on_phone_code_hint: "The camera app of the computer reads this picture and offers to open the link.",
  customer_on_phone_secret: "The link is like a key: send it to nobody but yourself.",
  customer_on_phone_anyway: "This is the computer",
  customer_offline: "The support service cannot be reached",
  customer_offline_hint: "Please check your internet connection and try again.",
  customer_no_host: "The program is not available at the moment",
  customer_no_host_hint: "Please tell your technician.",
} as const;

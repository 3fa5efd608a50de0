"""What the host says to the customer, in the languages there are."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from host.customer import Asker
from relay.protocol.close_reasons import CloseReason

if sys.platform == "win32":
    from host.windows.language import ui_language

_EN: Final[Mapping[str, str]] = {
    "title": "Remote support",
    "connecting": "Connecting to the support service…",
    "asks": "{technician} of {company} asks to help you with this computer.",
    "asks_unnamed": "{technician} asks to help you with this computer.",
    "phone": "If in doubt, hang up and call them yourself: {phone}",
    "warning": (
        "Go on only if YOU asked for help. If a stranger called you, even from “your bank” or “Microsoft”, "
        "stop here: that is a well-known fraud."
    ),
    "ask_code": "Security code",
    "code_hint": "The technician reads it to you on the telephone.",
    "not_a_code": "A security code has nine digits, for example 123 456 789.",
    "wrong_code": "That code is not right. Tries left: {left}.",
    "code_dead": "Too many wrong codes. Ask the technician to read out a new one.",
    "new_code": "The technician has a new code for you.",
    "too_many_tries": "Too many tries. Wait a moment, then enter the code again.",
    "try_again": "The technician did not answer. Please enter the code once more.",
    "waiting_technician": "Checking the code with the technician…",
    "confirmed": "The code is right.",
    "allow": (
        "{technician} of {company} is confirmed. May they see and control this computer for {hours}? "
        "You can end it at any time."
    ),
    "allow_folders": "To allow this with files only in folders that you name, type f.",
    "name_folders": "Name the folders whose files the technician may see and change, one at a time.",
    "ask_folder": "Enter alone when there are no more; folder",
    "limit_box": "Files only in folders that I choose",
    "add_folder_button": "Add a folder…",
    "only_folders": "Files only in: {names}",
    "no_folders": "No folder is chosen: the technician gets no files.",
    "no_such_folder": "There is no such folder on this computer.",
    "folder_is_no_text": "A folder of this name cannot be chosen.",
    "too_many_folders": "These are too many folders.",
    "tools_allowed": "What they may do, and for how long:",
    "duration_session": "whole session",
    "duration_half_hour": "30 minutes",
    "duration_once": "now, once",
    "duration_never": "not at all",
    "duration_ask": "not now",
    "ask_permission": "{technician} asks to use this computer again: {tool}. For how long may they?",
    "input_held": "Until you answer, the technician's mouse and keyboard do nothing here.",
    "change_button": "What they may do…",
    "change_title": "What technicians may do",
    "save_button": "Save",
    "back_button": "Back",
    "pause_button": "Pause now",
    "resume_button": "Go on",
    "paused": "Paused: nobody can see or use this computer until you go on.",
    "resumed": "Going on: technicians may use this computer again.",
    "choose_duration": "1 whole session, 2 for 30 minutes, 3 now, once, 4 not at all",
    "keep_choice": "Enter alone leaves it as it is",
    "commands": (
        "Type pause to stop everything at once, resume to go on, allow to change what technicians may do, or "
        "help; anything else is written to the technician."
    ),
    "since": "for {duration}",
    "active": "Connected for support. Time left: {left}.",
    "active_short": "Connected for support",
    "time_left": "Time left: {left}",
    "viewers": "Connected now: {names}",
    "nobody": "Nobody is connected.",
    "tool_control": "Remote Control",
    "tool_files": "File Manager",
    "tool_dashboard": "Dashboard",
    "tool_shell": "Terminal",
    "trouble": (
        "The support service cannot be reached. Trying again by itself; nothing is lost. Please look at the "
        "network cable or Wi-Fi; a VPN or proxy may be in the way."
    ),
    "online": "The connection is back.",
    "input_ended": "There is nobody here to type the security code; the support program is removed again.",
    "went_offline": "The support program stops for now; the session goes on when it is started again.",
    "interrupted": "The support program was stopped before the session began, and is removed again.",
    "removed": "The support program was removed from this computer.",
    "left": "These could not be removed; that is tried again when the computer starts: {names}",
    "stop_hint": "Press Ctrl+C to end the session and remove the program.",
    "hours": "{hours} hours",
    "minutes": "{minutes} minutes",
    "minute": "1 minute",
    "clock": "{hours} h {minutes:02} min",
    "chat_button": "Write to the technician",
    "chat_begins": "The technician wants to write with you. Type your answer here and press Enter.",
    "chat_calls": "The technician wants to write with you.",
    "send_button": "Send",
    "you": "You",
    "allow_button": "Allow",
    "decline_button": "No",
    "continue_button": "Continue",
    "cancel_button": "Cancel",
    "end_button": "End session and remove",
    "keep_button": "Go on with the session",
    "close_button": "Close",
    "really_end": "End the session now? The technician is disconnected and this program removed.",
    "restart": (
        "{technician} is about to restart this computer. Please save your work. It restarts in {seconds} "
        "seconds unless you say no."
    ),
    "restart_prompt": "no and Enter to refuse: ",
    "restart_refuse_button": "No, do not restart",
    "ask_link_hint": (
        "Paste the whole link that the technician sent you. It begins with https:// and has a # inside."
    ),
    "ask_link": "Link",
    "not_a_link": "That is not the whole link. Please copy it once more from its beginning to its end.",
    "incomplete": "This file is not complete. Please download it again.",
    "no_display": "No desktop was found to show; please name one with --display.",
    "already_running": "Another temporary support session is running on this computer.",
    "cannot_install": "The support program cannot be installed here: {why}.",
    "managed_host": (
        "This computer is looked after by remote support software already ({name}), so no second one is "
        "started. Please tell the technician, or whoever manages this computer."
    ),
    "no_rights": (
        "This program needs an administrator's rights. Please start it again and answer Yes when the "
        "computer asks whether it may make changes."
    ),
    "old_system": (
        "This computer's system is too old for the support program, or of a kind that it is not made for."
    ),
    "dead_link": (
        "This link is not valid any more: it was used already, or too old. Ask the technician for a new one."
    ),
    "clock_ahead": (
        "This computer's clock is {duration} fast. Set date and time right (in the system's settings: set"
        " automatically), then start this program again."
    ),
    "clock_behind": (
        "This computer's clock is {duration} slow. Set date and time right (in the system's settings: set"
        " automatically), then start this program again."
    ),
    "clock_unsure": (
        "This computer's date or time seems to be wrong, so the support service cannot be trusted. Set "
        "both right (in the system's settings: set automatically), then start this program again."
    ),
    "wrong_relay": (
        "The support service could not prove that it is the right one, so nothing was told to it. "
        "Somebody may listen on this network: try another one, and tell the technician: “wrong relay”."
    ),
}

_ES: Final[Mapping[str, str]] = {
    "title": "Soporte remoto",
    "connecting": "Conectando con el servicio de soporte…",
    "asks": "{technician} de {company} pide ayudarle con este equipo.",
    "asks_unnamed": "{technician} pide ayudarle con este equipo.",
    "phone": "Si tiene dudas, cuelgue y llame usted: {phone}",
    "warning": (
        "Continúe solo si USTED pidió ayuda. Si le llamó un desconocido, aunque diga ser de «su banco» o de "
        "«Microsoft», no siga: es un fraude muy conocido."
    ),
    "ask_code": "Código de seguridad",
    "code_hint": "El técnico se lo lee por teléfono.",
    "not_a_code": "Un código de seguridad tiene nueve cifras, por ejemplo 123 456 789.",
    "wrong_code": "Ese código no es correcto. Intentos restantes: {left}.",
    "code_dead": "Demasiados códigos incorrectos. Pida al técnico que le lea uno nuevo.",
    "new_code": "El técnico tiene un código nuevo para usted.",
    "too_many_tries": "Demasiados intentos. Espere un momento y escriba el código otra vez.",
    "try_again": "El técnico no respondió. Escriba el código otra vez.",
    "waiting_technician": "Comprobando el código con el técnico…",
    "confirmed": "El código es correcto.",
    "allow": (
        "{technician} de {company} está confirmado. ¿Puede ver y controlar este equipo durante {hours}? "
        "Usted puede terminar en cualquier momento."
    ),
    "allow_folders": "Para permitirlo solo con archivos de carpetas que usted indique, escriba c.",
    "name_folders": "Indique, una por una, las carpetas cuyos archivos el técnico puede ver y cambiar.",
    "ask_folder": "Solo Intro si no hay más; carpeta",
    "limit_box": "Archivos solo en las carpetas que yo elija",
    "add_folder_button": "Añadir una carpeta…",
    "only_folders": "Archivos solo en: {names}",
    "no_folders": "No hay ninguna carpeta elegida: el técnico no recibe archivos.",
    "no_such_folder": "No existe esa carpeta en este equipo.",
    "folder_is_no_text": "No se puede elegir una carpeta con ese nombre.",
    "too_many_folders": "Son demasiadas carpetas.",
    "tools_allowed": "Qué puede hacer, y durante cuánto tiempo:",
    "duration_session": "toda la sesión",
    "duration_half_hour": "30 minutos",
    "duration_once": "ahora, una vez",
    "duration_never": "no permitir",
    "duration_ask": "ahora no",
    "ask_permission": "{technician} pide usar de nuevo este equipo: {tool}. ¿Durante cuánto tiempo puede?",
    "input_held": "Hasta que usted responda, el ratón y el teclado del técnico no hacen nada aquí.",
    "change_button": "Qué puede hacer…",
    "change_title": "Qué pueden hacer los técnicos",
    "save_button": "Guardar",
    "back_button": "Volver",
    "pause_button": "Pausar ahora",
    "resume_button": "Seguir",
    "paused": "En pausa: nadie puede ver ni usar este equipo hasta que usted siga.",
    "resumed": "Se sigue: los técnicos pueden usar este equipo de nuevo.",
    "choose_duration": "1 toda la sesión, 2 durante 30 minutos, 3 ahora, una vez, 4 no permitir",
    "keep_choice": "Solo Intro lo deja como está",
    "commands": (
        "Escriba pausa para detenerlo todo, seguir para continuar, permitir para cambiar qué pueden hacer "
        "los técnicos, o ayuda; todo lo demás se escribe al técnico."
    ),
    "since": "desde hace {duration}",
    "active": "Conectado para soporte. Tiempo restante: {left}.",
    "active_short": "Conectado para soporte",
    "time_left": "Tiempo restante: {left}",
    "viewers": "Conectado ahora: {names}",
    "nobody": "No hay nadie conectado.",
    "tool_control": "control remoto",
    "tool_files": "administrador de archivos",
    "tool_dashboard": "panel del equipo",
    "tool_shell": "terminal",
    "trouble": (
        "No se puede contactar con el servicio de soporte. Se reintenta solo; no se pierde nada. Mire el "
        "cable de red o el wifi; una VPN o un proxy puede impedirlo."
    ),
    "online": "La conexión ha vuelto.",
    "input_ended": "No hay nadie que escriba el código de seguridad; el programa se elimina de nuevo.",
    "went_offline": "El programa de soporte se detiene; la sesión sigue cuando se inicie otra vez.",
    "interrupted": "El programa se detuvo antes de empezar la sesión y se elimina de nuevo.",
    "removed": "El programa de soporte se ha eliminado de este equipo.",
    "left": "No se pudo eliminar; se intenta otra vez cuando el equipo se inicie: {names}",
    "stop_hint": "Pulse Ctrl+C para terminar la sesión y eliminar el programa.",
    "hours": "{hours} horas",
    "minutes": "{minutes} minutos",
    "minute": "1 minuto",
    "clock": "{hours} h {minutes:02} min",
    "chat_button": "Escribir al técnico",
    "chat_begins": "El técnico quiere escribirse con usted. Escriba aquí su respuesta y pulse Intro.",
    "chat_calls": "El técnico quiere escribirse con usted.",
    "send_button": "Enviar",
    "you": "Usted",
    "allow_button": "Permitir",
    "decline_button": "No",
    "continue_button": "Continuar",
    "cancel_button": "Cancelar",
    "end_button": "Terminar y eliminar",
    "keep_button": "Seguir con la sesión",
    "close_button": "Cerrar",
    "really_end": "¿Terminar ahora? El técnico se desconecta y este programa se elimina.",
    "restart": (
        "{technician} va a reiniciar este equipo. Guarde su trabajo. Se reinicia en {seconds} segundos si "
        "usted no dice que no."
    ),
    "restart_prompt": "no e Intro para rechazarlo: ",
    "restart_refuse_button": "No, no reiniciar",
    "ask_link_hint": (
        "Pegue el enlace completo que le envió el técnico. Empieza por https:// y tiene un # en el medio."
    ),
    "ask_link": "Enlace",
    "not_a_link": "Ese no es el enlace completo. Cópielo otra vez desde el principio hasta el final.",
    "incomplete": "Este archivo no está completo. Descárguelo otra vez.",
    "no_display": "No se encontró ningún escritorio; indíquelo con --display.",
    "already_running": "Ya hay otra sesión temporal de soporte en este equipo.",
    "cannot_install": "El programa de soporte no se puede instalar aquí: {why}.",
    "managed_host": (
        "Este equipo ya está atendido por un programa de soporte remoto ({name}), así que no se inicia "
        "otro. Dígaselo al técnico o a quien administra este equipo."
    ),
    "no_rights": (
        "Este programa necesita permisos de administrador. Inícielo de nuevo y responda Sí cuando el "
        "equipo pregunte si puede hacer cambios."
    ),
    "old_system": (
        "El sistema de este equipo es demasiado antiguo para el programa de soporte, o de un tipo no "
        "previsto."
    ),
    "dead_link": "Este enlace ya no es válido: ya se usó o es demasiado antiguo. Pida uno nuevo al técnico.",
    "clock_ahead": (
        "El reloj de este equipo adelanta {duration}. Ponga bien la fecha y la hora (en los ajustes del "
        "sistema: hora automática) y vuelva a iniciar este programa."
    ),
    "clock_behind": (
        "El reloj de este equipo atrasa {duration}. Ponga bien la fecha y la hora (en los ajustes del "
        "sistema: hora automática) y vuelva a iniciar este programa."
    ),
    "clock_unsure": (
        "La fecha o la hora de este equipo parecen incorrectas, así que no se puede confiar en el "
        "servicio de soporte. Corrija ambas (en los ajustes del sistema: hora automática) y vuelva a "
        "iniciar este programa."
    ),
    "wrong_relay": (
        "El servicio de soporte no pudo demostrar que es el correcto, así que no se le dijo nada. Alguien"
        " puede estar escuchando en esta red: pruebe con otra y diga al técnico: «relé equivocado»."
    ),
}

_ENDINGS_EN: Final[Mapping[CloseReason, str]] = {
    CloseReason.ENDED_BY_CUSTOMER: "You ended the session.",
    CloseReason.REPLACED: "This link was opened on another computer.",
    CloseReason.REFUSED: "This link or session is not valid any more.",
}

_ENDINGS_ES: Final[Mapping[CloseReason, str]] = {
    CloseReason.ENDED_BY_TECHNICIAN: "El técnico terminó la sesión.",
    CloseReason.ENDED_BY_CUSTOMER: "Usted terminó la sesión.",
    CloseReason.EXPIRED: "El tiempo de la sesión terminó.",
    CloseReason.LAPSED: "La sesión no se activó a tiempo.",
    CloseReason.GUESSES: "Demasiados códigos incorrectos; la sesión terminó.",
    CloseReason.SUSPENDED: "La cuenta de la empresa está suspendida.",
    CloseReason.REPLACED: "Este enlace se abrió en otro equipo.",
    CloseReason.REFUSED: "Este enlace o esta sesión ya no es válida.",
}


class Texts:
    """The sentences of one language.

    Args:
        language: a code such as "es" or "es_MX.UTF-8"; anything unknown is English.
    """

    def __init__(self, language: str = "") -> None:
        self._is_spanish = language.lower().startswith("es")
        self._catalogue = _ES if self._is_spanish else _EN

    @classmethod
    def of_environment(cls) -> "Texts":
        """The language of the customer's desktop."""
        names = ("LC_ALL", "LC_MESSAGES", "LANG")
        language = next((os.environ[name] for name in names if os.environ.get(name)), "")
        if sys.platform == "win32":
            language = language or ui_language()
        return cls(language)

    def get(self, key: str, **values: object) -> str:
        """The sentence `key`, filled in."""
        return self._catalogue[key].format(**values)

    def asks(self, asker: Asker) -> str:
        """Who asks for access; a company without a name is left out."""
        key = "asks" if asker.company else "asks_unnamed"
        return self.get(key, technician=asker.technician, company=asker.company)

    def only_folders(self, folders: Sequence[str]) -> str:
        """What the File Manager is limited to."""
        return self.get("only_folders", names=", ".join(folders)) if folders else self.get("no_folders")

    def viewers(
        self, viewers: Mapping[str, Sequence[str]], minutes: Mapping[tuple[str, str], int] | None = None
    ) -> str:
        """Who is connected and with which tools: names with kinds of channels, and since when."""
        since = minutes or {}

        if not viewers:
            return self.get("nobody")
        told = (
            f"{name} ({', '.join(self._use(kind, since.get((name, kind), 0)) for kind in kinds)})"
            for name, kinds in viewers.items()
        )
        return self.get("viewers", names=", ".join(told))

    def _use(self, kind: str, minutes: int) -> str:
        tool = self.get(f"tool_{kind}")
        return f"{tool} {self.get('since', duration=self.duration(minutes * 60))}" if minutes else tool

    def duration(self, seconds: float) -> str:
        """A length of time in words, rounded to the nearest minute or, from two hours on, hour."""
        minutes = max(1, round(seconds / 60))
        if minutes >= 120:
            return self.get("hours", hours=round(seconds / 3600))
        return self.get("minutes", minutes=minutes) if minutes > 1 else self.get("minute")

    def clock(self, seconds: float) -> str:
        """A countdown, exact to the minute: ``23 h 59 min``."""
        minutes = max(0, int(seconds // 60))
        return self.get("clock", hours=minutes // 60, minutes=minutes % 60)

    def wrong_code(self, left: int) -> str:
        """After a wrong code with tries left, or with none."""
        return self.get("wrong_code", left=left) if left > 0 else self.get("code_dead")

    def ending(self, reason: CloseReason) -> str:
        """Why the session ended."""
        endings = _ENDINGS_ES if self._is_spanish else _ENDINGS_EN
        unknown = "La sesión terminó." if self._is_spanish else reason.sentence
        return endings.get(reason, unknown)

import type { refusals as en } from "./en.refusals";

/** Por qué el programa no empieza en el equipo del cliente, y qué puede decirle el técnico. */
export const refusals: Readonly<Record<keyof typeof en, string>> = {
  step_refused_managed_host: "No iniciado: el equipo ya está administrado",
  advice_refused_managed_host:
    "El equipo ya tiene un programa de soporte remoto de una organización. Ayúdele con ese, o pregunte a quien administra el equipo.",
  step_refused_other_host: "No iniciado: allí hay otra sesión de soporte",
  advice_refused_other_host:
    "En ese equipo hay otra sesión temporal. Pida al cliente que la termine en su ventana o, si no hay ninguna, que reinicie el equipo.",
  step_refused_no_rights: "No iniciado: faltan permisos de administrador",
  advice_refused_no_rights:
    "Pida al cliente que inicie otra vez el programa y responda Sí cuando Windows pregunte; quien no tenga esos permisos necesita la contraseña de un administrador.",
  step_refused_old_system: "No iniciado: el sistema del equipo es demasiado antiguo",
  advice_refused_old_system: "El programa no funciona en el sistema de ese equipo. No puede ayudarle desde aquí.",
  step_refused_dead_link: "No iniciado: el enlace ya se usó o es antiguo",
  advice_refused_dead_link:
    "Cada enlace vale para un equipo, hasta que se activa o caduca. Prepare una sesión nueva y dé al cliente el enlace nuevo.",
  step_refused_clock: "No iniciado: el reloj del equipo está mal",
  advice_refused_clock:
    "Pida al cliente que ponga bien la fecha y la hora (en los ajustes del sistema: hora automática) y que inicie otra vez el programa.",
  step_refused_wrong_relay: "No iniciado: no se reconoció este relé",
  advice_refused_wrong_relay:
    "El programa encontró otro relé que antes. Si no se cambiaron las claves del relé, alguien puede estar escuchando en la red del cliente: que pruebe con otra.",
  step_refused_no_display: "No iniciado: no hay escritorio",
  advice_refused_no_display: "Pida al cliente que inicie el programa en el escritorio de ese equipo, no en una consola de texto.",
  step_refused_cannot_install: "No iniciado: allí no se puede escribir",
  advice_refused_cannot_install: "El disco puede estar lleno, o la carpeta del cliente protegida. El mensaje del programa dice cuál.",
};

import type { restart as en } from "./en.restart";

/** Reiniciar el equipo del cliente. */
export const restart: Readonly<Record<keyof typeof en, string>> = {
  restart_computer: "Reiniciar equipo",
  restart_title: "¿Reiniciar {computer}?",
  restart_loses:
    "Se pierde lo que no esté guardado allí, se cierran los programas y las transferencias se detienen hasta que vuelva. El cliente puede negarse.",
  restart_confirm: "Reiniciar",
  restart_asking: "Preguntando al equipo…",
  restart_waits: "El cliente lo ve ahora y puede negarse durante {seconds} segundos.",
  restart_take_back: "Retirar",
  viewer_restarting: "Reiniciando; esperando al equipo…",
  viewer_restarting_boot: "Esta página sigue sola en cuanto vuelva. Puede tardar unos minutos.",
  viewer_restarting_sign_in: "Esta página sigue sola cuando alguien inicie sesión allí. Pídaselo al cliente.",
  problem_declined: "El cliente se negó.",
  problem_no_return: "El programa no volvería solo después de reiniciar; el cliente tiene que reiniciar el equipo.",
};

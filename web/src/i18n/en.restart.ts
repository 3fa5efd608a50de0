/** Restarting the customer's computer. */
export const restart = {
  restart_computer: "Restart computer",
  restart_title: "Restart {computer}?",
  restart_loses: "What is not saved there is lost, programs are closed, and transfers stop until it is back. The customer can say no.",
  restart_confirm: "Restart",
  restart_asking: "Asking the computer…",
  restart_waits: "The customer sees it now and can say no for {seconds} seconds.",
  restart_take_back: "Take it back",
  viewer_restarting: "Restarting, waiting for the computer…",
  viewer_restarting_boot: "This page goes on by itself as soon as it is back. That may take some minutes.",
  viewer_restarting_sign_in: "This page goes on by itself once somebody has signed in there. Ask the customer to do so.",
  problem_declined: "The customer said no.",
  problem_no_return: "The program there would not come back by itself after a restart; the customer has to restart the computer.",
} as const;

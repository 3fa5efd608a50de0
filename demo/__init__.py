"""The demonstration of `./dev run`: a relay, a virtual desktop and a session on it, in a minute."""

"""Builds the host files that customers download: one file for all customers of a target (docs/bundles.md).

Part of the relay's package, so that who runs a relay can build them (``relay build-host``); imported by
nothing that serves. What ends up in a file comes from the sources beside this package and from locks with
hashes, and the same inputs give the same bytes, wherever and whenever it is built.

`bootstrap` and `linux_entry` do not run here: they are the first code of what is built.
"""

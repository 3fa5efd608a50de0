"""The one error of builders."""


class BuildError(Exception):
    """The host file cannot be built; `str(error)` says why and what to do, in a sentence or two."""

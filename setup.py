"""The compiled parts of the package; everything else is in pyproject.toml.

They are optional: without a C compiler, Python's headers or OpenSSL's the relay runs on its pure Python.
"""

from typing import Any

from setuptools import Extension, setup

COMMON: dict[str, Any] = {
    "extra_compile_args": ["-O3", "-Wall", "-Wextra"],
    "py_limited_api": True,
    "optional": True,
}

setup(
    ext_modules=[
        Extension("relay.protocol._runs", ["relay/protocol/_runs.c"], **COMMON),
        Extension(
            "relay.transport._records", ["relay/transport/_records.c"], libraries=["ssl", "crypto"], **COMMON
        ),
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)

"""The compiled part of the package; everything else is in pyproject.toml.

It is optional: without a C compiler or Python's headers the relay runs on its pure Python.
"""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "relay.protocol._runs",
            ["relay/protocol/_runs.c"],
            extra_compile_args=["-O3", "-Wall", "-Wextra"],
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)

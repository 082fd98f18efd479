"""The version of the package, read from its installed metadata."""

from importlib.metadata import version

VERSION = version("isotropy")

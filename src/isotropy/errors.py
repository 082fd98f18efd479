"""The two kinds of message that the library sends on purpose."""


class IsotropyError(ValueError):
    """Input that cannot be used. The message says what was wrong, what was got and what to do."""


class IsotropyWarning(UserWarning):
    """A right answer that the reader should hold with care. The message says why and what would help."""

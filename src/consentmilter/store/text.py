"""Text from outside that a database can always hold.

The mail server hands over octets as surrogates, and files have names in any encoding; drivers refuse both, PostgreSQL
also NUL. One such string must never undo a whole transaction, so what cannot be stored as it is goes in escaped.
"""


def printable(text: str) -> str:
    r"""The same text, with surrogates and NUL written as escapes such as \udcff and \x00."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")

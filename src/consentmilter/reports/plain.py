"""Text as phrases are compared: lower case, without accents, vowel marks and typographers' apostrophes.

People write `désabonner` and `desabonner`, and so do mail programs that lose the accents. Never fails.
"""

import unicodedata

_LETTERS = str.maketrans(
    {
        "\u2018": "'",  # the typographers' apostrophes, and the accents that stand in for one
        "\u2019": "'",
        "\u00b4": "'",
        "`": "'",
        "\u0649": "\u064a",  # Arabic letters that are written for each other at the end of words
        "\u0629": "\u0647",
        "\u0640": "",  # the stroke that stretches Arabic words
        "ß": "ss",
        "œ": "oe",
    }
)


def plain(text: str) -> str:
    """The form of `text` in which it is compared with the tables of phrases; lines stay lines."""
    # Marks go first: Python orders long rows of them in quadratic time. Compatibility forms hide capitals and letters.
    apart = unicodedata.normalize("NFKD", _bare(text.translate(_LETTERS)))
    return _bare(apart).lower().translate(_LETTERS)


def _bare(text: str) -> str:
    return "".join(character for character in text if not unicodedata.combining(character))

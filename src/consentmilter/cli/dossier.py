"""How a dossier looks to whoever reads it: as text, and as a page that needs nothing but itself.

Everything in it came from outside: text is kept from playing tricks on a terminal, and a page from holding markup.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from consentmilter.cli.output import printable

TITLES = {
    "suppressions": ("No mail", "You get no mail of these kinds, since when, and for what reason."),
    "hash_lists": ("Lists of partners", "Lists of scrambled addresses that hold yours."),
    "consents": ("Consent", "What you agreed to or took back."),
    "mail": ("What you wrote", "Mail of yours that somebody had to read."),
    "confirmations": ("Questions", "When we asked you whether a request was yours."),
    "bounces": ("Mail that could not be delivered", "Days on which mail to you failed for a passing cause."),
    "holds": ("Legal holds", "Why nothing is deleted for now."),
    "imports": ("Files", "Files from which your entries came."),
    "journal": ("Decisions about mail to you", "Mail that was not simply delivered, and why."),
    "ledger": ("History", "Every change to what is held of you."),
}
"""The parts of a dossier in the order of the page, with a heading and a sentence for the person."""

_STYLE = """
body { font: 1rem/1.5 sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; color: #111; background: #fff }
h2 { margin: 2rem 0 0 } p { margin: .2rem 0 .6rem }
.wide { overflow-x: auto } table { border-collapse: collapse; width: 100% }
th, td { border: 1px solid #767676; padding: .25rem .5rem; text-align: left; vertical-align: top }
th { background: #eee } td { overflow-wrap: anywhere; white-space: pre-wrap }
"""


def text(data: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a dossier as text."""
    yield f"What is held about {printable(data['subject'])}"
    yield f"made {_minute(data['made'])}, keys {' '.join(data['keys'])}"
    for name, (heading, sentence) in TITLES.items():
        yield from ("", f"{heading} ({len(data[name])})")
        if not data[name]:
            continue
        yield f"  {sentence}"
        for record in data[name]:
            yield ""
            yield from (f"  {label}: {printable(value)}" for label, value in _fields(record) if value)


def page(data: Mapping[str, Any]) -> str:
    """A dossier as HTML."""
    title = f"What is held about {escape(data['subject'])}"
    parts = "".join(_part(heading, sentence, data[name]) for name, (heading, sentence) in TITLES.items())
    keys = escape(" ".join(data["keys"]))
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        f"<p>Made {_minute(data['made'])}. The key that stands for you: {keys}.</p>\n{parts}</body>\n</html>\n"
    )


def _part(heading: str, sentence: str, records: Sequence[Mapping[str, Any]]) -> str:
    if not records:
        return f"<h2>{escape(heading)}</h2>\n<p>Nothing.</p>\n"
    head = "".join(f'<th scope="col">{escape(label)}</th>' for label, _ in _fields(records[0]))
    rows = "".join(f"<tr>{''.join(f'<td>{escape(v)}</td>' for _, v in _fields(record))}</tr>\n" for record in records)
    region = f'<div class="wide" role="region" aria-label="{escape(heading)}" tabindex="0">'
    table = f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody></table>"
    return f"<h2>{escape(heading)}</h2>\n<p>{escape(sentence)}</p>\n{region}{table}</div>\n"


def _fields(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A record's labels and values, as people read them."""
    for name, value in record.items():
        yield name.replace("_", " "), _value(name, value)


def _value(name: str, value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case dict():
            return "; ".join(f"{each}: {said}" for each, said in value.items())
        case str() if name in ("at", "since", "last_said", "expires", "sent", "started", "finished", "closed"):
            return _minute(value)
        case _:
            return str(value)


def _minute(time: str) -> str:
    return f"{time[:16].replace('T', ' ')} UTC"

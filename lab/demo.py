"""`make demo`: send the messages, press the button, show each dialogue and what was delivered, and stop."""

import subprocess
import sys

from lab.errors import LabError
from lab.run import delivery
from lab.showcase import STEPS, Click, Letter, page, showcase
from lab.system import System


def main() -> int:
    """Show the transcript; 1 if anything went another way than announced."""
    try:
        with showcase() as system:
            link = ""
            for step in STEPS:
                match step:
                    case Letter():
                        link = _send(system, step) or link
                    case Click():
                        _click(step, page(system, link))
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _send(system: System, letter: Letter) -> str | None:
    """Send it; the link that it was delivered with."""
    system.sink.clear()
    print(f"\n# {letter.title}\n$ {letter.line(system.postfix.port('submission'))}")
    command = [*letter.command(system.postfix.port("submission")), "--suppress-data"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    print("\n".join(_dialogue(done.stdout)))
    refused = letter.title.endswith("refused")
    if refused != (done.returncode != 0):
        raise LabError(f"{letter.title}: swaks ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    if refused:
        return None
    delivered = system.sink.wait()[0]
    print(delivery(delivered))
    return next(iter(delivered.headers("List-Unsubscribe")), None)


def _click(click: Click, where: str) -> None:
    print(f"\n# {click.title}\n$ {click.line(where)}")
    done = subprocess.run(click.command(where), capture_output=True, text=True, timeout=60, check=False)
    print(done.stdout.rstrip())
    if done.returncode:
        raise LabError(f"{click.title}: curl ended with {done.returncode}: {done.stderr}")


def _dialogue(transcript: str) -> list[str]:
    """What swaks tells of the mail transaction: from MAIL on, without the commands that are always the same."""
    lines = transcript[transcript.find(" -> MAIL") :].splitlines()
    return [
        line for line in lines if line.startswith((" -> MAIL", " -> RCPT", "<")) and line[4:7] not in ("354", "221")
    ]


if __name__ == "__main__":
    sys.exit(main())

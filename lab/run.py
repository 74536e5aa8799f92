"""`make run`: a private Postfix with the milter attached, until Ctrl-C."""

import os
import signal
import sys
import threading

from lab.delivered import Delivered
from lab.errors import LabError
from lab.milter import PROGRAM
from lab.showcase import STEPS, Letter, showcase
from lab.system import System


def main() -> int:
    """Run until Ctrl-C or TERM; then everything is stopped and removed."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        with showcase() as system:
            _introduce(system)
            _watch(system, stop)
            print("stopping", flush=True)
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _introduce(system: System) -> None:
    port = system.postfix.port("submission")
    print(f"\nPostfix takes mail on 127.0.0.1:{port}; what it delivers ends in a sink and is shown here.")
    print("Paste in another terminal:\n")
    for step in STEPS:
        line = (
            step.line(port)
            if isinstance(step, Letter)
            else step.line(f"http://{system.config['web']['listen']}/u/TOKEN")
        )
        print(f"# {step.title}\n{line}\n")
    print(f"{os.path.relpath(PROGRAM)} --config {system.config_file} explain reader@example.net")
    print(f"postfix log: {system.postfix.files.log}\nCtrl-C stops everything.\n", flush=True)


def _watch(system: System, stop: threading.Event) -> None:
    """Show deliveries and the milter's log as they come."""
    shown, logged = 0, len(system.milter.output())
    while not stop.wait(0.2):
        output = system.milter.output()
        print(output[logged:], end="", flush=True)
        logged = len(output)
        messages = system.sink.messages
        for message in messages[shown:]:
            print(delivery(message), flush=True)
        shown = len(messages)


def delivery(message: Delivered) -> str:
    """What a person would see of a delivered message."""
    lines = [f"delivered to {', '.join(message.rcpt_tos)}: {message.header('Subject')}"]
    names = ("List-Unsubscribe", "List-Unsubscribe-Post")
    lines += [f"  {name}: {' '.join(value.split())}" for name in names for value in message.headers(name)]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

"""A supervisor for tests: `python -m tests.supervisor.command CONFIGURATION`."""

import asyncio
import sys
from pathlib import Path

from consentmilter.config import load
from consentmilter.supervisor import Supervisor

if __name__ == "__main__":
    supervisor = Supervisor(lambda: load(Path(sys.argv[1])), application="tests.supervisor.application")
    sys.exit(asyncio.run(supervisor.run()))

"""The service with `tests.milter.application`: `python -m tests.milter.command CONFIGURATION`."""

import asyncio
import sys
from pathlib import Path

from consentmilter.config import load
from consentmilter.supervisor import Supervisor
from consentmilter.supervisor.roles import RoleName

if __name__ == "__main__":
    supervisor = Supervisor(lambda: load(Path(sys.argv[1])), applications={RoleName.MILTER: "tests.milter.application"})
    sys.exit(asyncio.run(supervisor.run()))

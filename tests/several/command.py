"""The service with `tests.several.application`: `python -m tests.several.command CONFIGURATION`."""

import asyncio
import sys
from pathlib import Path

from consentmilter.config import load
from consentmilter.supervisor import Supervisor
from consentmilter.supervisor.roles import RoleName

APPLICATIONS = {RoleName.MILTER: "tests.several.application"}

if __name__ == "__main__":
    supervisor = Supervisor(lambda: load(Path(sys.argv[1])), applications=APPLICATIONS)
    sys.exit(asyncio.run(supervisor.run()))

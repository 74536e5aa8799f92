"""A supervisor for tests: `python -m tests.supervisor.command [ROLE...] CONFIGURATION`."""

import asyncio
import sys
from pathlib import Path

from consentmilter.config import load
from consentmilter.supervisor import Supervisor
from consentmilter.supervisor.roles import RoleName

APPLICATIONS = {
    RoleName.MILTER: "tests.supervisor.application",
    RoleName.WEB: "tests.supervisor.web_application",
    RoleName.INTAKE: "tests.supervisor.intake_application",
}

if __name__ == "__main__":
    *only, file = sys.argv[1:]
    supervisor = Supervisor(lambda: load(Path(file)), only=[RoleName(name) for name in only], applications=APPLICATIONS)
    sys.exit(asyncio.run(supervisor.run()))

"""The supervisor: owns the milter socket, starts the workers, restarts what dies, reloads, replaces and drains."""

from consentmilter.supervisor.supervisor import Supervisor

__all__ = ["Supervisor"]

"""The supervisor: owns the sockets, starts the roles, restarts what dies, reloads, replaces and drains."""

from consentmilter.supervisor.supervisor import Supervisor

__all__ = ["Supervisor"]

"""The HTTP API for registration forms and other systems, with its health checks and metrics."""

from consentmilter.web.api.application import application

__all__ = ["application"]

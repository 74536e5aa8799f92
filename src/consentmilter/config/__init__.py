"""The configuration: its keys, how it is read and checked, and the policy that it says."""

from consentmilter.config.load import load, parse
from consentmilter.config.schema import Config

__all__ = ["Config", "load", "parse"]

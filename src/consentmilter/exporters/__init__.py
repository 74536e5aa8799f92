"""The list as files of other programs: rows in, text out. Pure; whoever calls opens the file.

`FORMATS` has every format by its name. Nothing here raises: what a format cannot hold is left out and counted.
"""

from consentmilter.exporters.formats import FORMATS, Format, Left, Lost, Setting, Tally
from consentmilter.exporters.rows import Hashed

__all__ = ["FORMATS", "Format", "Hashed", "Left", "Lost", "Setting", "Tally"]

"""`python -m consentmilter` is the command line."""

from consentmilter.cli import main

main()

"""Measurements: what the milter costs a Postfix, beside no milter and beside the cheapest one possible."""

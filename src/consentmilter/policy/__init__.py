"""What may be sent to whom: pure decisions, no clock, no I/O.

`classify` finds the stream of a message, `decide` the verdict for one recipient, `settle` what becomes of the message.
"""

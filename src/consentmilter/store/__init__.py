"""The store: suppressions, consent to come, the ledger and the journal, in tables.

Takes plain arguments and knows no configuration. What it promises: success is reported after commit, never before;
whatever could not be done raises a `StoreError` and has not happened.
"""

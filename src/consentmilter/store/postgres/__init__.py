"""What is true of PostgreSQL only: URLs of servers, connections with limits, transactions and their first round trip.

Trap for whoever works here: with PgBouncer in transaction mode, nothing that is set outlives its transaction and no
statement may be prepared. So limits are set with SET LOCAL, in the one message that begins a transaction.
"""

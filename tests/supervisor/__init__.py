"""Tests of the supervisor and its workers, with real processes and real sockets."""

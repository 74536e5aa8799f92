"""A laboratory: real mail programs, private to one test, demonstration or measurement.

`postfix` is a whole Postfix, `sink` where its mail ends, `client` an SMTP dialogue with it, `sasl` its logins,
`opendkim` a signer beside it, `mta` the other end of the milter protocol. All of it listens on loopback or on unix
sockets in a temporary directory, and is gone when its `with` block is left.
"""

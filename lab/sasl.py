"""Logins for a private Postfix, without a SASL library: a server of the Dovecot authentication protocol.

Postfix asks it over loopback (`smtpd_sasl_type = dovecot`) and it accepts PLAIN (RFC 4616) for the users it was given,
so that `{auth_authen}` reaches the milters. Anything malformed is a refusal; nothing is raised towards Postfix.
"""

import base64
import binascii
import hmac
import os
import socketserver
import threading
from collections.abc import Mapping

from lab.part import Part


class SaslServer(Part):
    """Says yes to the given user and password pairs."""

    def __init__(self, users: Mapping[str, str]) -> None:
        self._server = _Server(("127.0.0.1", 0), _Conversation)
        self._server.users = dict(users)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def settings(self) -> dict[str, str]:
        """What main.cf must say to use it."""
        return {
            "smtpd_sasl_auth_enable": "yes",
            "smtpd_sasl_type": "dovecot",
            "smtpd_sasl_path": f"inet:127.0.0.1:{self._server.server_address[1]}",
            # Not "noplaintext": the laboratory has no TLS.
            "smtpd_sasl_security_options": "noanonymous",
        }

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True  # Postfix keeps its connections open; the server must end before they do
    users: dict[str, str]


class _Conversation(socketserver.StreamRequestHandler):
    """One connection of an smtpd process, as Dovecot's auth-protocol and Postfix's xsasl_dovecot_server.c have it."""

    server: _Server

    def handle(self) -> None:
        self._say("VERSION", "1", "1")
        self._say("MECH", "PLAIN", "plaintext")
        self._say("SPID", str(os.getpid()))
        self._say("CUID", "1")
        self._say("DONE")
        waiting = ""
        for line in self.rfile:
            match line.decode(errors="replace").rstrip("\n").split("\t"):
                case ["AUTH", request, "PLAIN", *parameters]:
                    response = next((p[5:] for p in parameters if p.startswith("resp=")), None)
                    if response is None:  # AUTH PLAIN without an initial response: ask for it
                        waiting = request
                        self._say("CONT", request, "")
                    else:
                        self._answer(request, response)
                case ["CONT", request, response] if request == waiting:
                    self._answer(request, response)
                case ["AUTH", request, *_]:
                    self._say("FAIL", request)

    def _answer(self, request: str, response: str) -> None:
        user, password = _plain(response)
        expected = self.server.users.get(user)
        if expected is not None and hmac.compare_digest(expected.encode(), password.encode()):
            self._say("OK", request, f"user={user}")
        else:
            self._say("FAIL", request, f"user={user}")

    def _say(self, *words: str) -> None:
        self.wfile.write("\t".join(words).encode() + b"\n")


def _plain(response: str) -> tuple[str, str]:
    """The user and the password of a PLAIN response; empty ones for what is no such response."""
    try:
        _, user, password = base64.b64decode(response, validate=True).decode().split("\0")
    except (binascii.Error, ValueError):
        return "", ""
    return user, password

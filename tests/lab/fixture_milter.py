"""A small milter for the laboratory's own tests: it refuses "out@", edits the rest, and shows what it was told."""

import sys

import Milter


class Fixture(Milter.Base):
    login: str | None
    headers_seen: int

    def setsymlist(self, stage: int, *macros: str) -> None:
        # pymilter 1.0.5 gives its C half bytes, which wants text; the error is swallowed, and all flags with it.
        self._ctx.setsymlist(stage, " ".join(macros))

    @Milter.symlist("{auth_authen} {client_port}")
    def envfrom(self, sender: str, *parameters: str) -> int:
        self.login = self.getsymval("{auth_authen}")
        self.headers_seen = 0
        return Milter.CONTINUE

    def envrcpt(self, recipient: str, *parameters: str) -> int:
        if recipient.startswith("<out@"):
            self.setreply("550", "5.7.1", f"{recipient} opted out, 100%% sure")
            return Milter.REJECT
        return Milter.TEMPFAIL if recipient.startswith("<later@") else Milter.CONTINUE

    @Milter.noreply
    def header(self, name: str, value: str) -> int:
        self.headers_seen += 1
        return Milter.CONTINUE

    @Milter.nocallback
    def body(self, chunk: bytes) -> int:
        return Milter.CONTINUE

    def eom(self) -> int:
        self.progress()
        self.addheader("X-Login", self.login or "nobody")
        self.addheader("X-Queue-Id", self.getsymval("i") or "none", 0)
        self.addheader("X-Headers-Seen", str(self.headers_seen))
        self.chgheader("X-Old", 1, "")
        self.delrcpt("<gone@example.org>")
        self.addrcpt("<more@example.org>")
        return Milter.CONTINUE


if __name__ == "__main__":
    Milter.factory = Fixture
    Milter.set_flags(Milter.ADDHDRS | Milter.CHGHDRS | Milter.ADDRCPT | Milter.DELRCPT)
    Milter.runmilter("fixture", sys.argv[1], 60)

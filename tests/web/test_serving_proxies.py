"""deploy/nginx and deploy/caddy: the proxy that speaks TLS says who asks, keeps requests small and logs no token."""

import http.client
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest

from consentmilter.config import Config
from lab.ports import free_port, is_free
from lab.process import Process, wait_for
from tests.supervisor.service import COMMAND, Service

ROOT = Path(__file__).parents[2]
FRAGMENT = ROOT / "deploy" / "nginx" / "consentmilter.conf"
TOKEN = "alrijhzhgyoqf6ragtd4ghhejy2adn2zvbisxrtg52sjcdjjl4sa"

WRAPPER = """
user root;
pid {directory}/nginx.pid;
error_log {directory}/logs/main.log info;
events {{ worker_connections 64; }}
http {{
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/fragment.conf;
}}
"""


@dataclass
class Proxy:
    """nginx with our fragment, and the web process behind it."""

    directory: Path
    plain: int
    tls: int
    service: Service

    def ask(
        self, method: str, path: str, *, tls: bool = True, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        """One request through the proxy: status, and the body or where it leads."""
        context = ssl.create_default_context(cafile=str(self.directory / "cert.pem"))
        connection = (
            http.client.HTTPSConnection("localhost", self.tls, context=context, timeout=20)
            if tls
            else http.client.HTTPConnection("localhost", self.plain, timeout=20)
        )
        try:
            connection.request(method, path, body or None, headers or {})
            answer = connection.getresponse()
            text = answer.read().decode()
            return answer.status, answer.headers.get("Location", text)
        finally:
            connection.close()

    def logs(self) -> str:
        """All that was logged anywhere."""
        files = [path for path in self.directory.rglob("*.log") if path.is_file()]
        return "\n".join(path.read_text() for path in files) + self.service.log_file.read_text()


def tool(*command: str | Path) -> subprocess.CompletedProcess[str]:
    if shutil.which(str(command[0])) is None:
        pytest.fail(f"{command[0]} is not installed; it is in a Debian package of that name")
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60, check=False)


def fragment(directory: Path, plain: int, tls: int, upstream: str) -> str:
    """The fragment as an operator would adapt it, and with ports of its own."""
    text = FRAGMENT.read_text(encoding="utf-8")
    for pattern, replacement in (
        (r"listen \[::\]:\d+.*;", ""),
        (r"listen 80;", f"listen 127.0.0.1:{plain};"),
        (r"listen 443 ssl http2;", f"listen 127.0.0.1:{tls} ssl http2;"),
        (r"u\.example\.com;", "localhost;"),
        (r"ssl_certificate \S+;", f"ssl_certificate {directory}/cert.pem;"),
        (r"ssl_certificate_key \S+;", f"ssl_certificate_key {directory}/key.pem;"),
        (r"/var/log/nginx/", f"{directory}/logs/"),
        (r"http://127\.0\.0\.1:8025;", f"http://{upstream};"),
    ):
        text, count = re.subn(pattern, replacement, text)
        assert count, pattern
    return text


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """The whole way, with a certificate for localhost."""
    directory = tmp_path_factory.mktemp("nginx")
    (directory / "logs").mkdir()
    made = tool(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"),
        *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
        *("-keyout", directory / "key.pem", "-out", directory / "cert.pem"),
    )
    assert made.returncode == 0, made.stderr
    plain, tls, web = free_port(), free_port(), f"127.0.0.1:{free_port()}"
    (directory / "fragment.conf").write_text(fragment(directory, plain, tls, web))
    (directory / "nginx.conf").write_text(WRAPPER.format(directory=directory))
    checked = tool("nginx", "-t", "-p", directory, "-c", directory / "nginx.conf")
    assert checked.returncode == 0, checked.stderr
    assert "warn" not in checked.stderr
    command = ("nginx", "-p", directory, "-c", directory / "nginx.conf", "-g", "daemon off;")
    with Service(tmp_path_factory.mktemp("web")) as service, Process(command) as nginx:
        service.serves(web={"listen": web}).start((*COMMAND, "web")).ready()
        wait_for(lambda: not is_free(tls) or not nginx.running, "nginx to listen")
        assert nginx.running, nginx.output()
        yield Proxy(directory, plain, tls, service)


def test_a_request_reaches_the_pages_with_the_address_of_who_asks(proxy: Proxy) -> None:
    """Whatever the client says of itself; the proxy is one that the defaults trust."""
    claims = {"X-Forwarded-For": "192.0.2.66", "Forwarded": "for=192.0.2.66"}
    status, text = proxy.ask("GET", "/headers", headers=claims)
    assert status == 200
    told = dict(line.split(": ", 1) for line in text.splitlines())
    assert told["x-forwarded-for"] == "127.0.0.1"
    assert "192.0.2.66" not in text
    assert any(ip_address("127.0.0.1") in network for network in Config().web.trusted_proxies)


def test_a_click_goes_through(proxy: Proxy) -> None:
    """As a mail client sends it."""
    body, form = b"List-Unsubscribe=One-Click", {"Content-Type": "application/x-www-form-urlencoded"}
    assert proxy.ask("POST", "/body", body=body, headers=form)[0] == 200


def test_a_large_body_does_not(proxy: Proxy) -> None:
    """nginx ends it before it reaches the pages."""
    assert proxy.ask("POST", "/body", body=b"x" * 20_000)[0] == 413


def test_a_plain_link_leads_to_the_secure_one_and_a_plain_click_nowhere(proxy: Proxy) -> None:
    """A redirected POST would become a GET, and the person would believe that it worked (RFC 8058)."""
    assert proxy.ask("GET", f"/u/{TOKEN}", tls=False) == (301, f"https://localhost/u/{TOKEN}")
    assert proxy.ask("POST", f"/u/{TOKEN}", tls=False, body=b"List-Unsubscribe=One-Click")[0] == 403


def test_no_log_holds_a_token(proxy: Proxy) -> None:
    """Neither of requests that went well, nor of those that did not, nor while the pages are away."""
    paths = [
        f"/u/{TOKEN}",
        f"/p/{TOKEN}?lang=de",
        f"/{TOKEN}",
        f"/x/y/{TOKEN}",
        f"/u/{TOKEN}/%00%ff",
        "/u/" + "a" * 9000,
    ]
    for path in paths:
        proxy.ask("GET", path, headers={"Referer": f"https://u.example.com/u/{TOKEN}"})
        proxy.ask("GET", path, tls=False)
    proxy.ask("POST", f"/u/{TOKEN}", body=b"x" * 20_000)
    assert proxy.ask("GET", f"/u/{TOKEN}")[0] == 200
    assert proxy.service.stop() == 0
    assert proxy.ask("GET", f"/u/{TOKEN}")[0] == 502
    wait_for(lambda: " GET /u/ 502 " in proxy.logs(), "nginx has logged the last request")
    logs = proxy.logs()
    assert " GET /u/ 200 " in logs
    assert TOKEN not in logs


def test_the_usual_log_would_hold_it() -> None:
    """The test above can fail: nginx's own format has the request line."""
    text = FRAGMENT.read_text(encoding="utf-8")
    assert "$request " not in text
    assert "$request_uri" not in re.sub(r"return 301 .*", "", text)
    assert text.count("error_log") == text.count(" crit;") == 2


@pytest.fixture
def caddy(tmp_path: Path) -> Iterator[tuple[Process, int]]:
    """Caddy with our file, nothing behind it, on a port without TLS; where it is installed."""
    if shutil.which("caddy") is None:
        pytest.skip("Caddy is not installed")
    port = free_port()
    text = (ROOT / "deploy" / "caddy" / "Caddyfile").read_text(encoding="utf-8")
    for before, after in (
        ("u.example.com {", f"http://localhost:{port} {{"),
        ("127.0.0.1:8025 {", f"127.0.0.1:{free_port()} {{"),
        ("\tlog {\n\t\texclude", "\tadmin off\n\tlog {\n\t\texclude"),
    ):
        assert text.count(before) == 1
        text = text.replace(before, after)
    (tmp_path / "Caddyfile").write_text(text)
    command = ("caddy", "run", "--config", tmp_path / "Caddyfile", "--adapter", "caddyfile")
    with Process(command, environment={"HOME": str(tmp_path)}) as process:
        process.wait_until(lambda: not is_free(port), "its port")
        yield process, port


def test_no_log_of_caddy_holds_a_token_while_the_pages_are_away(caddy: tuple[Process, int]) -> None:
    """It tells of errors with the whole path unless told not to."""
    process, port = caddy
    for path in (f"/u/{TOKEN}", f"/{TOKEN}", f"/x/y/{TOKEN}"):
        connection = http.client.HTTPConnection("localhost", port, timeout=20)
        connection.request("GET", path, headers={"Referer": f"https://u.example.com/u/{TOKEN}"})
        assert connection.getresponse().status == 502
        connection.close()
    process.wait_until(lambda: process.output().count('"status":502') == 3, "its log")
    assert '"uri":"/u/"' in process.output()
    assert TOKEN not in process.output()

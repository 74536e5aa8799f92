"""The site that most tests set up: one sender, its newsletter, and its security patches."""

from typing import Any

SITE: dict[str, Any] = {
    "mode": "enforce",
    "unsubscribe": {"url": "https://u.example.com", "mailto": "unsub@example.com"},
    "organisations": {"acme": {"title": "Acme Ltd"}},
    "streams": {
        "acme.newsletter": {"title": "Weekly newsletter"},
        "acme.security": {"category": "security-patch", "title": "Security patches"},
    },
    "classify": [
        {"header": {"X-Consent-Stream": "acme.security"}, "allow": {"login": "release-bot"}, "stream": "acme.security"},
        {"login": "newsletter", "stream": "acme.newsletter"},
        {"header": {"X-Consent-Stream": "acme.newsletter"}, "stream": "acme.newsletter"},
    ],
}
"""`newsletter` is known by its login, everybody's newsletters by their header too."""

"""The web edge: the pages behind unsubscribe links, and the HTTP API."""

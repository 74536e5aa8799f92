"""The mail that comes back: requests by mail, bounces, complaints, and copies of our own mail to check."""

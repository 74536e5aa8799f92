"""A second process for the import of a large file: it reads one half, and makes the rows of both ready by key.

The import itself then has nothing to do but to put them in. `process` is the import's end, `main` the other.
"""

"""`consentmilter ledger`: prove that the ledger is what was written, show it, and build the list out of it."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any

import typer

from consentmilter import minisign
from consentmilter.chain import START
from consentmilter.checkpoints import Checkpoint
from consentmilter.cli.destination import STDOUT, destination
from consentmilter.cli.entries import entry_data, entry_line
from consentmilter.cli.help import SETTINGS, add_command
from consentmilter.cli.listing import array, bar
from consentmilter.cli.output import AsJson, printable, put, put_json, say
from consentmilter.cli.rebuild import rebuild
from consentmilter.cli.since import Since, since_time
from consentmilter.cli.site import Command
from consentmilter.cli.writing import actor, store
from consentmilter.errors import SignatureError, UsageError
from consentmilter.ledger import Entry
from consentmilter.minisign import PublicKey, SecretKey
from consentmilter.service.newfile import write_new
from consentmilter.service.sealing import make_checkpoint
from consentmilter.service.verifying import Fault, Kind, Verified
from consentmilter.service.verifying import verify as verify_chain
from consentmilter.store import entries

_SIGNATURE = ".minisig"
_ROWS_AT_ONCE = 1000

app = typer.Typer(help="Prove that the ledger is what was written, and show it.", **SETTINGS)


def verify(
    context: typer.Context,
    *,
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A checkpoint that the ledger has to fit.")
    ] = None,
    public_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The key that the checkpoint's signature has to fit.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check that no entry was altered, removed or moved.

    The first fault is named, with exit code 1. Who can write to the database can make a whole new ledger: only a
    checkpoint that was kept elsewhere shows that.

    Example: consentmilter ledger verify
    """
    command: Command = context.obj
    if public_key is not None and checkpoint is None:
        raise UsageError("--public-key is for --checkpoint")
    try:
        known = _read_checkpoint(checkpoint, public_key) if checkpoint is not None else None
    except SignatureError as error:
        verified = Verified(0, 0, START, Fault(Kind.SIGNATURE, None, None, f"{checkpoint}: {error}"))
    else:
        verified = asyncio.run(_verify(command, known))
    if as_json:
        put_json(_verified_data(verified))
    else:
        put([_verified_line(verified)])
    if verified.fault is not None:
        raise typer.Exit(1)


def checkpoint(
    context: typer.Context,
    *,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="Sign it with this secret key.")] = None,
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="Where to; - is standard output.")] = (
        STDOUT
    ),
    as_json: AsJson = False,
) -> None:
    """Write down the end of the ledger, to keep elsewhere.

    With --key the signature lies beside it, in FILE.minisig, for `ledger verify` or minisign(1).

    Example: consentmilter ledger checkpoint -o checkpoint.txt
    """
    command: Command = context.obj
    if key is not None and output == STDOUT:
        raise UsageError("--key needs --output FILE: the signature is written into FILE.minisig")
    secret = SecretKey.parse(_read(key)) if key is not None else None
    with nullcontext(BytesIO()) if as_json and output == STDOUT else destination(output) as file:
        made = asyncio.run(_checkpoint(command))
        text = made.render().encode()
        file.write(text)
        if secret is not None:
            _sign(secret, text, made, f"{output}{_SIGNATURE}")
    if as_json:
        put_json(
            {
                "position": made.position,
                "digest": made.digest.hex(),
                "time": made.at.isoformat(),
                "file": None if output == STDOUT else output,
                "signature": f"{output}{_SIGNATURE}" if secret is not None else None,
            }
        )


def key(file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the secret key goes.")]) -> None:
    """Make a pair of keys to sign checkpoints with.

    The secret key goes to FILE, the public one to FILE.pub. Keep the secret one where checkpoints are made, and give
    the public one to whoever is to check them. minisign(1) takes both.

    Example: consentmilter ledger key ledger.key
    """
    secret = SecretKey.make(secrets.token_bytes(minisign.SEED_OCTETS))
    public = file.with_name(f"{file.name}.pub")
    for path, text in ((file, secret.render()), (public, secret.public.render())):
        if not write_new(path, text):
            raise UsageError(f"{printable(str(path))} is there already: a key is never overwritten")
    put([f"{printable(str(file))}: the secret key", f"{printable(str(public))}: the public key"])


def show(context: typer.Context, *, since: Since = None, as_json: AsJson = False) -> None:
    """Show the entries of the ledger, the oldest first.

    Example: consentmilter ledger show --since 7d
    """
    command: Command = context.obj
    asyncio.run(_show(command, as_json=as_json, since=since))


for _command in (verify, checkpoint, key, show, rebuild):
    add_command(app, _command)


async def _verify(command: Command, known: Checkpoint | None) -> Verified:
    async with store(command) as opened:
        with bar("ledger") as progress:
            return await verify_chain(opened, known, progress)


async def _checkpoint(command: Command) -> Checkpoint:
    async with store(command) as opened:
        return await make_checkpoint(opened, actor())


async def _show(command: Command, *, as_json: bool, since: str | None) -> None:
    begin = since_time(since)

    async def told() -> AsyncIterator[list[Entry]]:
        async with store(command) as opened:
            after = 0
            while page := await opened.read(lambda c: entries.page(c, after, _ROWS_AT_ONCE, begin)):  # noqa: B023 - awaited at once
                yield page
                after = page[-1].id or 0

    if not as_json:
        async for page in told():
            put(map(entry_line, page))
        return
    with array() as put_each:
        async for page in told():
            put_each(map(entry_data, page))


def _read_checkpoint(path: Path, public_key: Path | None) -> Checkpoint:
    """The checkpoint, if it is signed with the key."""
    text = _read(path)
    signature = path.with_name(f"{path.name}{_SIGNATURE}")
    if public_key is not None:
        comment = PublicKey.parse(_read(public_key)).verify(text.encode(), _read(signature))
        say(f"{printable(str(path))}: well signed ({printable(comment)})")
    elif signature.exists():
        say(f"note: the signature {printable(str(signature))} is not checked without --public-key")
    return Checkpoint.parse(text)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("ascii")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: neither a key nor a signature nor a checkpoint") from error


def _sign(secret: SecretKey, text: bytes, made: Checkpoint, output: str) -> None:
    comment = f"consentmilter checkpoint {made.position} {made.at.isoformat()}"
    with destination(output) as file:
        file.write(secret.sign(text, comment).encode())


def _verified_data(verified: Verified) -> dict[str, Any]:
    fault = verified.fault
    return {
        "good": fault is None,
        "entries": verified.entries,
        "digest": verified.digest.hex(),
        "erased": verified.blanked,
        "fault": None
        if fault is None
        else {"kind": fault.kind, "position": fault.position, "entry": fault.entry, "text": fault.text},
    }


def _verified_line(verified: Verified) -> str:
    if verified.fault is not None:
        return f"{verified.fault.kind}: {printable(verified.fault.text)}"
    erased = f", of {verified.blanked} the personal fields were erased" if verified.blanked else ""
    return f"good: {verified.entries} entries{erased}; the last digest is {verified.digest.hex()}"

"""Run a command as the unit would, as far as that goes without systemd.

    python -m tests.docs.sandbox CALLS FAMILIES COMMAND...

Applied are the list of allowed system calls (others fail with EPERM), the address families of socket(2),
MemoryDenyWriteExecute and NoNewPrivileges; the caller takes care of capabilities and the network. Raises `OSError`.
"""

import ctypes
import errno
import os
import socket
import sys
from collections.abc import Iterable

SCMP_ACT_ALLOW = 0x7FFF0000
SCMP_ACT_ERRNO = 0x00050000
SCMP_CMP_EQ = 4
PR_SET_MDWE = 65
PR_MDWE_REFUSE_EXEC_GAIN = 1


class _Comparison(ctypes.Structure):
    """`struct scmp_arg_cmp` of seccomp.h."""

    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


def deny_writable_code() -> None:
    """Let no memory be writable and executable, as MemoryDenyWriteExecute= does; prctl(2) can since Linux 6.3."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) and ctypes.get_errno() != errno.EINVAL:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_MDWE)")


def restrict_calls(calls: Iterable[str], families: Iterable[int]) -> None:
    """Allow these system calls only, and of socket(2) these address families."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(SCMP_ACT_ERRNO | errno.EPERM)))
    for name in calls:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0 and name != "socket":  # negative: unknown on this architecture
            _check(library.seccomp_rule_add(context, ctypes.c_uint32(SCMP_ACT_ALLOW), number, 0))
    number = library.seccomp_syscall_resolve_name(b"socket")
    for family in families:
        wanted = _Comparison(0, SCMP_CMP_EQ, family, 0)
        _check(
            library.seccomp_rule_add_array(context, ctypes.c_uint32(SCMP_ACT_ALLOW), number, 1, ctypes.byref(wanted))
        )
    _check(library.seccomp_load(context))  # sets no_new_privs as well


def main() -> None:
    """Restrict this process and become the command."""
    calls, families, *command = sys.argv[1:]
    deny_writable_code()
    restrict_calls(calls.split(","), [getattr(socket, family) for family in families.split(",")])
    os.execv(command[0], command)


def _check(result: int) -> None:
    if result < 0:
        raise OSError(-result, "libseccomp refused")


if __name__ == "__main__":
    main()

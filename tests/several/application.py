"""consentmilter's application with a defect that the tests of several nodes must notice; DEFECT names it.

remember  what was looked up once is not looked up again
blind     a store that cannot answer has nobody on its list
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

from consentmilter.errors import StoreError
from consentmilter.milter import application
from consentmilter.milter.application import Runtime, close, session
from consentmilter.policy.facts import Facts

__all__ = ["build", "close", "session"]


def build(config_json: str) -> Runtime:
    runtime = application.build(config_json)
    look_up = runtime.desk.look_up

    @cache
    def remembered(subjects: tuple[bytes, ...]) -> Facts:
        return look_up(subjects, tuple)

    def blind(subjects: Sequence[bytes], digests: Callable[[], Sequence[bytes]]) -> Facts:
        try:
            return look_up(subjects, digests)
        except StoreError:
            return Facts()

    def remember(subjects: Sequence[bytes], _digests: object) -> Facts:
        return remembered(tuple(subjects))

    defect = {"remember": remember, "blind": blind}[os.environ["DEFECT"]]
    return replace(runtime, desk=replace(runtime.desk, look_up=defect))

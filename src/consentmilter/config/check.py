"""Faults that no single key shows: references to what is not there, rights that cannot be proven, collisions.

Pure. `find_faults` names what makes a configuration unusable, `find_warnings` what is allowed but hardly meant.
"""

from collections.abc import Iterator

from consentmilter.addresses import suppressible_domain
from consentmilter.config.compile import compile_categories
from consentmilter.config.schema import Config, RightConfig, RuleConfig
from consentmilter.config.section import Section
from consentmilter.config.ways_back import Fault, address_faults
from consentmilter.errors import AddressError
from consentmilter.model import ALL, Mode
from consentmilter.policy.categories import BUILT_IN, MARKETING
from consentmilter.policy.site import BULK, UNCLASSIFIED
from consentmilter.tokens import stream_hash


def find_faults(config: Config) -> list[Fault]:
    """Everything that makes the configuration unusable."""
    return [
        *_category_faults(config),
        *_stream_faults(config),
        *_bulk_faults(config),
        *_rule_faults(config),
        *_loop_faults(config),
        *_address_faults(config),
        *address_faults(config),
        *_token_faults(config),
    ]


def find_warnings(config: Config) -> list[str]:
    """What works but is hardly meant, a sentence each."""
    warnings = []
    if config.mode is Mode.OBSERVE:
        warnings.append("mode is observe: nothing is refused, verdicts are only logged and journalled")
    if not config.unsubscribe.url:
        warnings.append("unsubscribe.url is not set: no one-click header can be added (RFC 8058)")
    if not config.unsubscribe.mailto:
        warnings.append("unsubscribe.mailto is not set: messages to several recipients get no List-Unsubscribe")
    if config.web.listen is None and config.unsubscribe.url:
        warnings.append("web.listen is not set: the links need the web role, here or elsewhere")
    if config.intake.socket is None and config.unsubscribe.mailto:
        warnings.append("intake.socket is not set: the unsubscribe mails need the intake role, here or elsewhere")
    if config.intake.socket and not config.intake.authserv_ids:
        warnings.append("intake.authserv_ids is not set: mail without a token is never trusted, but asked back")
    categories = compile_categories(config)
    warnings += [
        f"classify[{number}].max_per_day: {rule.stream} is not exempt, so there is nothing to bound"
        for number, rule in enumerate(config.classify)
        if rule.max_per_day and not categories[_category_name(rule.stream, config)].exempt
    ]
    used = {rule.stream for rule in config.classify}
    warnings += [
        f"streams: no rule leads to {name}" for name in sorted(set(config.streams) - used - {BULK, UNCLASSIFIED})
    ]
    return warnings


def _category_faults(config: Config) -> Iterator[Fault]:
    for name, part in config.categories.items():
        path = ("categories", name)
        if name not in BUILT_IN and part.basis is None:
            yield (*path, "basis"), "a category of your own needs its legal basis"
        base = BUILT_IN.get(name)
        exempt = (base is not None and base.exempt) if part.exempt is None else part.exempt
        if part.bypasses is not None and not exempt:
            yield (*path, "bypasses"), "only an exempt category bypasses anything (set exempt: true)"
        if part.requires_consent and exempt:
            yield (*path, "requires_consent"), "an exempt category goes without consent (or set exempt: false)"
        if part.bypasses == [] and exempt:
            yield (*path, "bypasses"), "an exempt category bypasses at least one reason (or set exempt: false)"


def _stream_faults(config: Config) -> Iterator[Fault]:
    known = sorted({**BUILT_IN, **config.categories})
    hashes: dict[bytes, str] = {stream_hash(name): name for name in (BULK, UNCLASSIFIED)}
    for name, part in config.streams.items():
        if part.category not in known:
            message = f"unknown category {part.category!r} (use {', '.join(known)})"
            yield ("streams", name, "category"), message
        other = hashes.setdefault(stream_hash(name), name)
        if other != name:
            yield ("streams", name), f"its token hash is that of {other}; rename one of them"


def _bulk_faults(config: Config) -> Iterator[Fault]:
    category = compile_categories(_usable(config)).get(_category_name(BULK, config))
    if category is not None and category.exempt:
        path = ("streams", BULK, "category") if BULK in config.streams else ("categories", category.name, "exempt")
        message = f"{BULK} cannot be exempt ({category.name}): it is where claims without a right to them end up"
        yield path, message


def _rule_faults(config: Config) -> Iterator[Fault]:
    streams = {BULK, UNCLASSIFIED, *config.streams}
    categories = compile_categories(_usable(config))
    for number, rule in enumerate(config.classify):
        path = ("classify", number)
        if rule.stream not in streams:
            yield (*path, "stream"), f"unknown stream {rule.stream!r} (use {', '.join(sorted(streams))})"
        if not any(rule.model_dump(exclude={"stream", "allow", "max_per_day", "over_limit"}).values()):
            yield path, "a rule needs a condition besides its stream"
        if rule.allow is not None and not _set(rule.allow):
            yield (*path, "allow"), "name the login, client or listener that may make this claim"
        category = categories.get(_category_name(rule.stream, config)) if rule.stream in streams else None
        if category and category.exempt and not _proven(rule):
            message = (
                f"{rule.stream} is exempt ({category.name}): the right to it needs a login, client or listener "
                "that not everybody has; an envelope sender or a header can be forged"
            )
            yield path, message


def _loop_faults(config: Config) -> Iterator[Fault]:
    if bool(config.loop.first) != bool(config.loop.second):
        yield ("loop",), "the loop needs both: first (the listeners before it) and second (the listener behind it)"
    if config.loop.second in config.loop.first:
        yield ("loop", "second"), "the listener behind the loop cannot stand before it as well"


def _address_faults(config: Config) -> Iterator[Fault]:
    for domain in config.addresses:
        path = ("addresses", domain)
        if domain.startswith("."):
            yield path, f"{domain!r} must be a single domain, or * for all others"
        elif domain != "*":
            try:
                suppressible_domain(domain)
            except AddressError as error:
                yield path, str(error)


def _token_faults(config: Config) -> Iterator[Fault]:
    known = set(config.organisations) | {name.partition(".")[0] for name in config.streams}
    digests: dict[str, str] = {}
    for name, part in config.api.tokens.items():
        other = digests.setdefault(part.sha256, name)
        if other != name:
            yield ("api", "tokens", name, "sha256"), f"is the token of {other} as well"
        for position, organisation in enumerate(part.organisations):
            if organisation not in known | {ALL}:
                path = ("api", "tokens", name, "organisations", position)
                yield path, f"unknown organisation {organisation!r} (use {', '.join([*sorted(known), ALL])})"


def _usable(config: Config) -> Config:
    """The configuration without the categories that lack what they need, which are reported elsewhere."""
    usable = {name: part for name, part in config.categories.items() if name in BUILT_IN or part.basis}
    return config.model_copy(update={"categories": usable})


def _category_name(stream: str, config: Config) -> str:
    part = config.streams.get(stream)
    return part.category if part else MARKETING


def _proven(rule: RuleConfig) -> bool:
    """Whether a rule asks for a login, client or listener, and not for just any client or listener."""
    right: RuleConfig | RightConfig = rule if rule.allow is None else rule.allow
    clients = [network for network in right.client if network.prefixlen > 0]
    listeners = [pattern for pattern in right.listener if pattern.strip("*")]
    anybody = len(clients) < len(right.client) or len(listeners) < len(right.listener)
    # Of `allow` one proof is enough, so a proof that everybody has makes it worth nothing.
    return bool(right.login or clients or listeners) and not (anybody and rule.allow is not None)


def _set(section: Section) -> bool:
    return any(section.model_dump().values())

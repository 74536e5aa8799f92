"""From the configuration to the policy: defaults, inheritance and patterns resolved once.

Expects a configuration that `check` found no fault with.
"""

from dataclasses import replace

from consentmilter.addresses import Folding, canonical_domain
from consentmilter.config.schema import CategoryConfig, Config, RightConfig, RuleConfig, StreamConfig
from consentmilter.globs import Glob
from consentmilter.model import Mode, Verdict
from consentmilter.policy.categories import BUILT_IN, OPT_OUTS, Category
from consentmilter.policy.rules import Right, Rule
from consentmilter.policy.site import BULK, UNCLASSIFIED, Loop, Organisation, Outbound, Site, Stream

_BUILT_IN_STREAMS = {
    BULK: StreamConfig(title="Bulk mail"),
    UNCLASSIFIED: StreamConfig(title="Mail", unsubscribe_header=False),
}


def compile_site(config: Config) -> Site:
    """The policy that the configuration says."""
    categories = compile_categories(config)
    parts = _BUILT_IN_STREAMS | {name: _on_built_in(name, part) for name, part in config.streams.items()}
    streams = {name: _stream(name, part, config, categories) for name, part in parts.items()}
    first = _globs(config.loop.first)
    return Site(
        streams=streams,
        rules=tuple(_rule(number, rule) for number, rule in enumerate(config.classify, 1)),
        organisations={
            name: Organisation(name, part.title, part.address, tuple(part.privacy))
            for name, part in config.organisations.items()
        },
        outbound=Outbound(_globs(config.outbound.listeners) + first, tuple(config.outbound.clients)),
        loop=Loop(first, config.loop.second),
        bulk_rule=config.bulk,
        unclassified=config.unclassified,
        false_claim=config.false_claim,
        foldings={
            domain if domain == "*" else canonical_domain(domain): Folding(part.sub_address, part.ignore_dots)
            for domain, part in config.addresses.items()
        },
        mode=config.mode,
    )


def compile_categories(config: Config) -> dict[str, Category]:
    """The built-in categories with the site's changes, and the site's own."""
    own = {name: _category(name, part) for name, part in config.categories.items()}
    return {**BUILT_IN, **own}


def _category(name: str, part: CategoryConfig) -> Category:
    base = BUILT_IN.get(name)
    if base is None:
        assert part.basis is not None  # config.check refuses a category of one's own without
        base = Category(name, part.basis)
    exempt = base.exempt if part.exempt is None else part.exempt
    bypasses = frozenset(part.bypasses) if part.bypasses is not None else base.bypasses or OPT_OUTS
    header = base.unsubscribe_header if part.unsubscribe_header is None else part.unsubscribe_header
    return replace(
        base,
        basis=part.basis or base.basis,
        bypasses=bypasses if exempt else frozenset(),
        action=Verdict(part.action) if part.action else base.action,
        unsubscribe_header=header,
        requires_consent=base.requires_consent if part.requires_consent is None else part.requires_consent,
    )


def _on_built_in(name: str, part: StreamConfig) -> StreamConfig:
    """What the file says of a stream; what it does not say of a built-in one stays as it is."""
    base = _BUILT_IN_STREAMS.get(name)
    return part if base is None else base.model_copy(update={key: value for key, value in part if value is not None})


def _stream(name: str, part: StreamConfig, config: Config, categories: dict[str, Category]) -> Stream:
    category = categories[part.category]
    organisation = config.organisations.get(name.split(".", maxsplit=1)[0])
    own = organisation.unsubscribe if organisation else config.unsubscribe
    mode = part.mode or config.mode
    wanted = category.unsubscribe_header if part.unsubscribe_header is None else part.unsubscribe_header
    # In observe mode nothing about the mail changes, unless the stream itself asks for the header.
    header = wanted if mode is Mode.ENFORCE else part.unsubscribe_header is True
    return Stream(
        name=name,
        title=part.title or (organisation.title if organisation and "." not in name else name),
        category=category,
        mode=mode,
        action=Verdict(part.action) if part.action else category.action,
        mixed=part.mixed,
        multi_recipient=part.multi_recipient,
        existing=part.existing,
        unsubscribe_header=header,
        list_id=part.list_id,
        unsubscribe_url=own.url or config.unsubscribe.url,
        unsubscribe_mailto=own.mailto or config.unsubscribe.mailto,
        help_url=part.help_url or config.reply.help_url,
        description=part.description,
        requires_consent=category.requires_consent if part.requires_consent is None else part.requires_consent,
        verp=part.verp,
        bounce=own.bounce or config.unsubscribe.bounce,
    )


def _rule(number: int, part: RuleConfig) -> Rule:
    return Rule(
        number=number,
        stream=part.stream,
        who=Right(_globs(part.login), tuple(part.client), _globs(part.listener)),
        senders=_globs([_sender(pattern) for pattern in part.mail_from]),
        headers=tuple((name.lower(), _globs(globs)) for name, globs in part.header.items()),
        list_ids=_globs(part.list_id),
        has_headers=tuple(name.lower() for name in part.has_header),
        allow=_right(part.allow) if part.allow else None,
        max_per_day=part.max_per_day,
        over_limit=part.over_limit,
    )


def _right(part: RightConfig) -> Right:
    return Right(_globs(part.login), tuple(part.client), _globs(part.listener))


def _sender(pattern: str) -> str:
    # The envelope sender is compared in its canonical form, which has A-labels.
    local, at, domain = pattern.rpartition("@")
    return f"{local}{at}{canonical_domain(domain)}"


def _globs(patterns: list[str]) -> tuple[Glob, ...]:
    return tuple(Glob.of(pattern) for pattern in patterns)

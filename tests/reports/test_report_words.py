"""What people write in replies: clear short requests, what needs a human reader, and what is nothing."""

import pytest

from consentmilter.reports.automatic import is_automatic
from consentmilter.reports.markup import text_of
from consentmilter.reports.phrases import LANGUAGES
from consentmilter.reports.plain import plain
from consentmilter.reports.quoted import own_words
from consentmilter.reports.words import MAX_KEPT, MAX_WORDS, Intent, intent, reply
from tests.reports.mails import mail, names, written

SENDER = "person@provider.example"

CLEAR = [
    "unsubscribe",
    "Unsubscribe.",
    "STOP",
    "stop",
    "please unsubscribe me from your list",
    "please remove me from your list",
    "Please take me off your mailing list. Thanks, Bob",
    "Hi team,\n\nplease unsubscribe me.\n\nKind regards,\nAnna Example",
    "I want to unsubscribe",
    "I'd like to unsubscribe please",
    "I no longer want to receive these emails.",
    "I don't want to receive your newsletter any more",
    "Could you please remove me from this list?",
    "stop sending me emails!!!",
    "please unsubscribe and remove me from all lists",
    "I was never a customer of yours. Unsubscribe me.",
    "opt out",
    "cancel my subscription",
    "no more emails please",
    "bitte abmelden",
    "Abmelden",
    "Bitte melden Sie mich vom Newsletter ab.",
    "Sehr geehrte Frau Muster,\n\nbitte nehmen Sie mich aus Ihrem Verteiler.\n\nMit freundlichen Grüßen\nMax M.",
    "Ich möchte keine weiteren E-Mails mehr erhalten",
    "Ich möchte mich abmelden, danke",
    "Bitte löschen Sie mich aus Ihrer Liste",
    "Hiermit widerspreche ich der Nutzung meiner Daten",
    "Könnten Sie mich bitte abmelden?",
    "désabonner",
    "Désabonnez-moi svp",
    "Veuillez me désinscrire de votre liste. Merci",
    "Merci de me désabonner",
    "Je ne souhaite plus recevoir vos emails",
    "Bonjour,\nmerci de me retirer\n",
    "Retirez-moi de votre liste de diffusion s'il vous plaît",
    "Pouvez-vous me désabonner ?",
    "baja",
    "Por favor, denme de baja",
    "Quiero darme de baja de la lista",
    "No quiero recibir más correos",
    "cancelar suscripción",
    "Elimíneme de su lista por favor",
    "¿Pueden darme de baja, por favor?",
    "dezabonare",
    "Vă rog să mă dezabonați",
    "Nu mai doresc să primesc mesaje",
    "Vreau să mă dezabonez",
    "Ștergeți-mă din listă, mulțumesc",
    "uitschrijven",
    "Graag uitschrijven",
    "Ik wil me afmelden voor de nieuwsbrief",
    "Schrijf mij uit aub",
    "Verwijder mij uit jullie lijst",
    "Geen nieuwsbrieven meer, bedankt",
    "إلغاء الاشتراك",
    "أرجو إلغاء اشتراكي",
    "احذفوني من القائمة",
    "لا أريد استلام هذه الرسائل",
    "من فضلك ألغ اشتراكي",
    "UN-SUBSCRIBE",
]

UNCLEAR = [
    "do not unsubscribe me",
    "Please don't unsubscribe me!",
    "how do I unsubscribe my colleague?",
    "How do I unsubscribe?",
    "Can I unsubscribe?",
    "unsubscribe me?",
    "Should I unsubscribe?",
    "If this continues, unsubscribe me",
    "Please unsubscribe me unless you send discounts",
    "unsubscribe bob@example.com",
    "unsubscribe my colleague Bob",
    "I tried to unsubscribe but it does not work",
    "Your unsubscribe link is broken",
    'The "unsubscribe" button does nothing',
    "I do not want your emails to stop",
    "I do not want your opt-out",
    "I unsubscribed by mistake",
    "please do not\nunsubscribe me",
    "Unsubscribe me. Not really.",
    "Unsubscribe me from the weekly one only",
    "I would never unsubscribe",
    "Remove me from A, but keep me on B",
    "Unsubscribe me https://phish.example/u",
    "Never unsubscribe me.",
    "Bitte nicht abmelden",
    "Melden Sie mich bitte nicht ab",
    "Wie kann ich mich abmelden?",
    "Kann ich mich abmelden?",
    "Wenn das so weitergeht, bitte abmelden",
    "Bitte melden Sie meine Kollegin ab",
    "Ne me désabonnez pas",
    "Comment me désabonner ?",
    "Je peux me désabonner ?",
    "No me den de baja",
    "¿Cómo puedo darme de baja?",
    "¿Puedo darme de baja?",
    "Nu mă dezabonați",
    "Cum mă dezabonez?",
    "Niet uitschrijven",
    "Hoe kan ik me uitschrijven?",
    "Kan ik me uitschrijven?",
    "لا تلغوا اشتراكي",
    "كيف يمكنني إلغاء الاشتراك؟",
    "Je veux plus de newsletters, pas me désabonner",
    "resubscribe me please",
    "subscribe",
]

NOTHING = [
    "Thanks!",
    "Thank you for the newsletter",
    "See you on Monday",
    "Danke schön",
    "Merci beaucoup",
    "When do you open?",
    "Gracias",
    "Mulțumesc",
    "Bedankt",
    "شكرا",
    "We stop by your booth tomorrow",
    "What a non-stop party",
]


@pytest.mark.parametrize("text", CLEAR)
def test_a_clear_short_request_is_one(text: str) -> None:
    """In each of the languages, polite or not."""
    assert intent(text) is Intent.OPT_OUT


@pytest.mark.parametrize("text", UNCLEAR)
def test_what_is_not_clear_is_left_to_a_reader(text: str) -> None:
    """Questions, conditions, negations, other people."""
    assert intent(text) is Intent.UNCLEAR


@pytest.mark.parametrize("text", NOTHING)
def test_what_is_about_something_else_is_nothing(text: str) -> None:
    """Thanks, and words that only look like it."""
    assert intent(text) is Intent.NOTHING


@pytest.mark.parametrize("text", CLEAR)
def test_case_and_wrapping_make_no_difference(text: str) -> None:
    """People shout, and put what they were told to send in quotes."""
    assert intent(f"{text.upper()} \n\n") is Intent.OPT_OUT
    assert intent(f'"{text}"' if "\n" not in text and text[-1].isalpha() else text) is Intent.OPT_OUT


@pytest.mark.parametrize(
    "before",
    ["do not", "never", "bitte nicht", "ne pas", "no", "nu", "niet", "لا", "how do I", "if you can", "wie kann ich"],
)
@pytest.mark.parametrize("joint", [" ", ", ", "\n", ": "])
def test_a_doubt_before_a_request_undoes_it(before: str, joint: str) -> None:
    """Joined or as a word of its own before it, in any language; a sentence of its own about other things does not."""
    texts = [text for text in CLEAR if not text.startswith("I was never")]
    assert [text for text in texts if intent(f"{before}{joint}{text}") is Intent.OPT_OUT] == []


def test_a_long_letter_is_left_to_a_reader() -> None:
    """It may say anything."""
    assert intent("unsubscribe me. " + "word " * (MAX_WORDS - 2)) is Intent.OPT_OUT
    assert intent("unsubscribe me. " + "word " * (MAX_WORDS - 1)) is Intent.UNCLEAR


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Désabonner", "desabonner"),
        ("STRASSE Straße ŒUVRE œuvre", "strasse strasse oeuvre oeuvre"),
        ("don\u2019t don\u00b4t don`t", "don't don't don't"),
        ("\u0130stanbul", "istanbul"),
        ("\uff33\uff34\uff2f\uff30 \u33c5", "stop cd"),
        ("ştergeţi ștergeți", "stergeti stergeti"),
        ("إلغاءُ الاشتراكـ", plain("الغاء الاشتراك")),
        ("two\nlines", "two\nlines"),
    ],
)
def test_spellings_of_the_same_words_compare_equal(text: str, form: str) -> None:
    """Accents, capitals, ligatures, vowel marks."""
    assert plain(text) == form


def test_doubts_and_negations_are_no_fillers() -> None:
    """A word that undoes a request cannot stand in one unseen."""
    fillers = {word for each in LANGUAGES for word in plain(each.fillers).split()}
    for language in LANGUAGES:
        assert fillers.isdisjoint(plain(language.negations).split())


def replies(kind: str) -> list[str]:
    return [name for name in names("replies") if name.startswith(f"replies/{kind}")]


@pytest.mark.parametrize("kind", list(Intent))
def test_a_reply_of_the_corpus_is_what_its_name_says(kind: Intent) -> None:
    """With its quotes, its signature, and its mail program's peculiarities."""
    assert len(replies(kind)) >= 5
    wrong = {name: found for name in replies(kind) if (found := reply(mail(name), SENDER).intent) is not kind}
    assert wrong == {}


def test_every_reply_of_the_corpus_is_judged() -> None:
    """None lies there unread."""
    assert sum(len(replies(kind)) for kind in Intent) == len(names("replies"))


@pytest.mark.parametrize("sender", ["", "<>"])
@pytest.mark.parametrize("name", replies("opt-out"))
def test_a_reply_from_the_null_sender_is_a_machines(name: str, sender: str) -> None:
    """RFC 3834: it is a report or an automatic answer, whatever it says."""
    found = reply(mail(name), sender)
    assert (found.intent, found.words) == (Intent.NOTHING, "")


@pytest.mark.parametrize("name", [*names("bounces"), *names("complaints")])
def test_a_report_is_no_reply(name: str) -> None:
    """Though newsletters in it say `unsubscribe`."""
    assert reply(mail(name), SENDER).intent is not Intent.OPT_OUT
    assert reply(mail(name), "").intent is Intent.NOTHING


def test_a_persons_mail_is_not_automatic() -> None:
    """None of the replies that say something."""
    for name in [*replies("opt-out"), *replies("unclear"), "replies/nothing-thanks"]:
        assert not is_automatic(mail(name), SENDER)


def test_the_words_are_the_persons_own() -> None:
    """Without quote, introduction and device."""
    assert reply(mail("replies/opt-out-apple-below-the-quote"), SENDER).words == "Remove me from your list"
    assert reply(mail("replies/opt-out-gmail-wrapped-introduction"), SENDER).words == "stop"
    assert reply(mail("replies/opt-out-html-gmail"), SENDER).words == "Please remove me from this list"


def test_the_words_never_hold_the_subject_and_do_not_show() -> None:
    """A subject is read and forgotten; a log that prints a reply prints no words."""
    found = reply(written("Subject: unsubscribe canary\n\nsparrow"), SENDER)
    assert found.words == "sparrow"
    assert "sparrow" not in repr(found)
    assert found.intent is Intent.UNCLEAR


def test_the_words_are_bounded() -> None:
    """However much somebody writes."""
    assert len(reply(written("\n" + "word " * 10000), SENDER).words) <= MAX_KEPT


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("mine", "mine"),
        ("mine\n> quoted\nmine too", "mine\nmine too"),
        ("mine\n\n-- \nAnna\nunsubscribe footer", "mine"),
        ("mine\n________________________________\nquoted", "mine"),
        ("mine\n---- Original message ----\nquoted", "mine"),
        ("mine\nBegin forwarded message:\nquoted", "mine"),
        ("mine\n*From:* x\n*Sent:* y\n*To:* z\n*Subject:* q\n\nquoted", "mine"),
        ("mine\nDe : x\nEnvoyé : y\nÀ : z\nObjet : q\nquoted", "mine"),
        ("To: you\nmine", "To: you\nmine"),
        ("mine\n2025-06-03 9:00 GMT+02:00 Acme <news@acme.example>:\nquoted", "mine"),
        ("mine\nOn Tue Acme <news@acme.example> wrote:\n\nquoted without marks", "mine"),
        ("On Tue 3 Jun Acme wrote:\n> quoted\n\nmine", "mine"),
        ("I wrote: stop", "I wrote: stop"),
        ("", ""),
    ],
)
def test_own_words_are_told_from_quotes(text: str, own: str) -> None:
    """As mail programs set them off."""
    assert own_words(text) == own


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("plain", "plain"),
        ("<p>one</p><p>two<br>three</p>", "one\ntwo\nthree"),
        ("a <b>bold</b> word &amp; &lt;more&gt;", "a bold word & <more>"),
        ("<style>p{}</style><script>x<y</script><p>text", "text"),
        ("<script>never closed", ""),
        ("<!-- comment -->text<!-- never closed", "text"),
        ("<!DOCTYPE html><?xml?>text", "text"),
        ("1 < 2 and 3 <4", "1 < 2 and 3 <4"),
        ("text<div", "text"),
        ("mine<blockquote>quoted<p>more</p></blockquote>mine too", "mine\n> quoted\n> more\nmine too"),
        ("</blockquote>mine", "mine"),
        ("mine<div class='yahoo_quoted'>quoted", "mine"),
        ("mine<DIV STYLE='border:none;border-top:solid #E1E1E1 1.0pt'>quoted", "mine"),
    ],
)
def test_the_text_of_markup_is_what_is_seen(markup: str, text: str) -> None:
    """Line by line, quotes marked."""
    assert text_of(markup) == text

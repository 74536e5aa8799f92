"""How people say that they want no more mail, in seven languages: a table each.

A *request* is a phrase that says it clearly, in the words of the language; *fillers* may stand around it in its clause
without changing it; *doubts* and *negations* make a reader ask, wherever they stand; a *mention* is what belongs to the
matter at all. All are compared in the form of `plain`; requests are regular expressions over words. Data, no logic.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Language:
    """The phrases of one language; words are separated by blanks, requests by lines, mentions by commas."""

    requests: str
    asking: str
    fillers: str
    doubts: str
    negations: str
    mentions: str


ENGLISH = Language(
    requests="""
        un-?subscribe(?: me| us)?
        opt(?: me)?[ -]out
        (?:remove|delete) (?:me|us|my data|my name|my (?:e-?mail )?address|this (?:e-?mail )?address|my e-?mail)
        ^(?:please )?remove(?: please)?$
        take (?:me|us|my name|my (?:e-?mail )?address) off
        ^(?:please )?stop(?: it| this| now| the e-?mails| these e-?mails)?(?: please)?$
        stop (?:sending|mailing|e-?mailing|contacting|spamming|writing to)(?: me| us)?
        (?:do not|don't|dont) (?:send|e-?mail|mail|contact)(?: me| us)? (?:any more|anymore|any further|again)
        no more (?:e-?mails?|mails?|newsletters?)
        i (?:do not|don't|dont|no longer) (?:want|wish)(?: to)? (?:receive|get|any|your|these|more)
        i am no longer interested
        cancel (?:my|this|the) subscription
        (?:to be|be) (?:removed|taken off|unsubscribed)
    """,
    asking="can could would will you please",
    fillers="""
        please pls plz kindly thanks thank many hi hello hey dear sir madam team all everyone i we i'd me us my our
        you your the this that these those any from of off on to for at and be would like want wish just hereby
        immediately now today asap once right away permanently completely mailing list lists email emails e-mail
        e-mails mail mails newsletter newsletters address addresses name database distribution subscription
        subscriptions messages message marketing advertising anymore more further future receive receiving regards
        best kind cheers so much again
    """,
    doubts="""
        if unless but except only how why until instead keep mistake accident accidentally joke joking kidding
        colleague whether although though maybe perhaps
    """,
    negations="not no never don't dont didn't cannot can't won't isn't doesn't wouldn't without",
    mentions="""
        unsubscri, un-subscri, subscri, opt out, opt-out, opted out, mailing list, remove me, remove my, take me
        off, stop sending, stop mailing, stop emailing, no more mail, no more email, delete my, gdpr, not
        interested, do not send, don't send
    """,
)

GERMAN = Language(
    requests="""
        (?:ab|aus)?tragen sie (?:mich|uns|meine adresse) (?:bitte )?aus
        (?:melden sie|melde|meldet) (?:mich|uns|meine adresse)(?: bitte| sofort| umgehend)? (?:vom newsletter )?ab
        (?:nehmen sie|nimm|nehmt|streichen sie|streiche|streicht|tragen sie|trage|tragt) (?:mich|uns|meine adresse)
        (?:löschen sie|lösche|löscht|entfernen sie|entferne|entfernt) (?:mich|uns|meine daten)
        (?:löschen sie|lösche|löscht|entfernen sie|entferne|entfernt) meine (?:e-?mail-?|mail)?adresse
        abmelden
        abmeldung
        abbestellen
        abbestellung
        austragen
        austragung
        keine (?:weiteren )?(?:e-?mails?|mails?|newsletter|werbung|werbemails)(?: mehr)?
        keinen newsletter(?: mehr)?
        nichts mehr von ihnen
        ich widerspreche
        widerspreche ich
    """,
    asking="können könnten könnt würden würdet kannst könntest sie ihr du bitte",
    fillers="""
        bitte danke vielen dank hallo guten tag liebes sehr geehrte damen und herren ich wir mich uns mein meine
        meiner meinen sie ihr ihre ihren ihrem ihrer euch euer eurem eurer möchte möchten will wollen hiermit vom von
        aus raus heraus der die das dem den des newsletter newslettern verteiler liste mailingliste e-mail e-mails
        email emails mail mails adresse e-mail-adresse mailadresse werbung werbemails zusendung nutzung verwendung
        daten sofort umgehend ab jetzt heute zu für mehr erhalten bekommen wünsche bitten mfg gruß grüße freundlichen
        freundliche mit beste löschen
    """,
    doubts="""
        wenn falls aber außer nur wie warum wieso weshalb sondern statt behalten versehen versehentlich irrtum kollege
        kollegin vielleicht ob obwohl
    """,
    negations="nicht kein keine keinen nie niemals ohne",
    mentions="""
        abmeld, abbestell, austragen, melden sie, meldet mich, meld mich, löschen sie, entfernen sie,
        austragung, verteiler, widerspr, widerruf, dsgvo, keine mails, keine werbung
    """,
)

FRENCH = Language(
    requests="""
        (?:me |m')?(?:désabonner|désinscrire)
        désabonne[zs]?[ -]moi
        désinscri(?:vez|s)[ -]moi
        désabonnement
        désinscription
        (?:retirez|supprimez|enlevez|rayez|effacez|retire|supprime|enlève)(?:[ -]moi| mon adresse| mon e-?mail)
        (?:supprimer|retirer|enlever) mon adresse(?: e-?mail| mail)?
        me (?:supprimer|retirer|enlever|rayer)
        arrêtez de m'(?:envoyer|écrire|importuner)
        (?:ne )?(?:plus|souhaite plus|veux plus|désire plus) (?:rien )?recevoir
        ne m'(?:envoyez|écrivez) plus
    """,
    asking="pouvez pouvez-vous pourriez pourriez-vous vous tu s'il te plaît",
    fillers="""
        bonjour bonsoir merci d'avance avance beaucoup svp s'il vous te plaît veuillez de bien vouloir je souhaite
        souhaiterais voudrais veux désire aimerais demande me moi mon ma mes votre vos la le les l' à cette ces cet ce
        toutes tous liste listes diffusion newsletter newsletters lettre d'information adresse email emails e-mail
        e-mails mail mails courriel courriels messages publicités recevoir immédiatement maintenant cordialement
        salutations de du des et
    """,
    doubts="si mais sauf seulement uniquement comment pourquoi quand erreur garder collègue jusqu'à peut-être",
    negations="ne pas jamais aucun aucune sans n'ai n'est",
    mentions="""
        désabonn, désinscri, ne plus recevoir, plus recevoir, retirez, supprimez, liste de diffusion, rgpd,
        abonnement
    """,
)

SPANISH = Language(
    requests="""
        (?:dar(?:me|nos|se)?|dame|deme|denme|dadme|denos|solicito|quiero|pido)? ?(?:la )?(?:de )?baja
        cancelar(?: mi| la)? suscripción
        cancelen mi suscripción
        anular(?: mi| la)? suscripción
        des(?:us)?cribir(?:me|se)?
        desuscríbanme
        (?:elimin|borr|quit)(?:en|e|a|ar)(?:me| mi correo| mi dirección| mi email)
        (?:elimín|bórr|quít)(?:en|e|a)me
        no (?:quiero|deseo) (?:recibir|más)(?: más)?
        (?:dejen|deje|deja|dejad) de (?:enviar|mandar|escribir)(?:me|nos)?
        no me (?:envíen|envíe|envíes|manden|mande|escriban) más
    """,
    asking="pueden puede podrían podría puedes podrías por favor",
    fillers="""
        por favor gracias muchas hola buenos buenas días tardes estimados señores quiero quisiera deseo solicito me
        gustaría ruego que yo mi mis su sus vuestra la el los las lo un una de del a en y este esta estos estas todos
        todas más lista listas correo correos electrónico electrónicos email emails mail mails boletín boletines
        newsletter newsletters suscripción dirección mensajes publicidad inmediatamente ahora hoy saludos cordiales un
        recibir
    """,
    doubts="si pero salvo excepto solo solamente cómo porque cuando error mantener colega hasta aunque quizás",
    negations="no nunca jamás sin ningún",
    mentions="""
        de baja, suscri, suscrip, no quiero, no deseo, eliminen, elimíne, bórr, lista de correo, rgpd
    """,
)

ROMANIAN = Language(
    requests="""
        (?:mă )?dezabon(?:are|ez|ăm|ați|ează|ați-mă|ează-mă)
        (?:ștergeți|șterge|scoateți|scoate|eliminați|elimină)(?:-mă| adresa mea| adresa)
        nu mai (?:vreau|doresc)(?: să)? (?:primesc|newslettere?|e-?mailuri|mailuri|mesaje)
        nu(?:-mi| îmi) mai (?:trimite|trimiteți)
        opriți(?:-vă)?
    """,
    asking="puteți ați putea poți vă te rog",
    fillers="""
        vă te rog rugăm vreau doresc aș dori vrea să mă mulțumesc bună ziua salut stimată din lista listă listele
        voastră dumneavoastră de la pe newsletter newslettere newsletterul abonarea abonare acest aceste mesaje
        mesajele emailuri emailurile email mailuri mail e-mailuri adresa mea imediat acum toate cu stimă și
    """,
    doubts="dacă dar însă decât doar numai cum cine greșeală păstra păstrați coleg colega până poate",
    negations="nu niciodată fără n-am",
    mentions="""
        dezabon, nu mai vreau, nu mai doresc, nu mai trimite, nu-mi mai, ștergeți, scoateți-mă, abonare, gdpr
    """,
)

DUTCH = Language(
    requests="""
        (?:uitschrijven|afmelden)
        (?:uitschrijving|afmelding)
        (?:schrijf|schrijft u) (?:mij|me|ons)(?: alstublieft| aub| graag)? uit
        (?:meld|meldt u) (?:mij|me|ons)(?: alstublieft| aub| graag)? af
        (?:haal|verwijder|verwijdert u|schrap) (?:mij|me|ons|mijn (?:adres|e-?mail-?adres|mailadres|gegevens))
        geen (?:e-?mails?|mails?|nieuwsbrie(?:f|ven)|reclame)(?: meer)?
        niets meer van (?:u|jullie)
    """,
    asking="kunt kun wilt u je jullie",
    fillers="""
        graag alstublieft alsjeblieft aub svp ik we wil zou willen mij me ons mijn uit af van voor de het uw jullie
        deze dit lijst mailinglijst verzendlijst nieuwsbrief nieuwsbrieven e-mail e-mails email emails mail mails
        adres e-mailadres bedankt dank bij voorbaat hallo beste geachte direct onmiddellijk vandaag meer ontvangen
        reclame groet groeten met vriendelijke en hierbij te
    """,
    doubts="als maar behalve alleen hoe waarom wanneer ongeluk vergissing houden collega tot tenzij misschien",
    negations="niet geen nooit zonder",
    mentions="""
        uitschrij, afmeld, verwijder mij, verwijder me, geen mail, geen nieuwsbrie, abonnement, mailinglijst
    """,
)

ARABIC = Language(
    requests="""
        (?:ب?إلغاء) (?:الاشتراك|اشتراكي)
        (?:ألغ|ألغي|ألغوا) اشتراكي
        (?:احذفني|احذفوني|أزلني|أزيلوني)
        (?:احذف|احذفوا|أزل|أزيلوا|حذف|إزالة) (?:بريدي|عنواني|اسمي)
        (?:توقف|توقفوا|أوقفوا) عن (?:الإرسال|إرسال|مراسلتي)
        لا (?:أريد|أرغب)(?: في)? (?:استلام|تلقي|المزيد من|هذه)
    """,
    asking="هل يمكنكم يمكنك من فضلك",
    fillers="""
        من فضلك فضلكم رجاء رجاءً الرجاء أرجو يرجى شكرا شكراً مرحبا السلام عليكم أريد أرغب في ب هذه هذا القائمة قائمتكم
        البريدية البريد الإلكتروني النشرة نشرتكم الرسائل رسائلكم رسائل المزيد بعد الآن فورا فوراً لي إلي كل جميع
    """,
    doubts="إذا لكن إلا فقط كيف لماذا متى خطأ زميلي حتى ربما",
    negations="لا لم لن ليس غير بدون",
    mentions="""
        اشتراك, احذف, إزالة, توقفوا, القائمة البريدية, لا أريد, لا أرغب
    """,
)

LANGUAGES = (ENGLISH, GERMAN, FRENCH, SPANISH, ROMANIAN, DUTCH, ARABIC)

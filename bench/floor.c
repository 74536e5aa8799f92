/*
 * The floor: what any milter costs that adds two headers, written in C on libmilter.
 *
 *     floor SOCKET
 *
 * It adds List-Unsubscribe (an https URL of 80 octets and a mailto) and List-Unsubscribe-Post to every message. As a
 * milter that decides by recipient must, it answers every RCPT; it gets MAIL and the headers without answering them,
 * and asks for nothing else. It serves on a unix socket until it is killed.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <libmilter/mfapi.h>

#define URL "https://u.example.com/u/" "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSTUVWX"
#define MAILTO "mailto:unsubscribe+ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRST@example.com"

_Static_assert(sizeof(URL) - 1 == 80, "the URL has 80 octets");

static const unsigned long UNWANTED =
    SMFIP_NOCONNECT | SMFIP_NOHELO | SMFIP_NODATA | SMFIP_NOEOH | SMFIP_NOBODY | SMFIP_NOUNKNOWN;
static const unsigned long UNANSWERED = SMFIP_NR_MAIL | SMFIP_NR_HDR;

static sfsistat on_negotiate(SMFICTX *context, unsigned long actions, unsigned long protocol,
                             unsigned long reserved2, unsigned long reserved3,
                             unsigned long *want_actions, unsigned long *want_protocol,
                             unsigned long *want2, unsigned long *want3)
{
    (void) context, (void) reserved2, (void) reserved3;
    if (!(actions & SMFIF_ADDHDRS) || (protocol & (UNWANTED | UNANSWERED)) != (UNWANTED | UNANSWERED))
        return SMFIS_REJECT;
    *want_actions = SMFIF_ADDHDRS;
    *want_protocol = UNWANTED | UNANSWERED;
    *want2 = *want3 = 0;
    return SMFIS_CONTINUE;
}

static sfsistat on_mail(SMFICTX *context, char **arguments)
{
    (void) context, (void) arguments;
    return SMFIS_NOREPLY;
}

static sfsistat on_rcpt(SMFICTX *context, char **arguments)
{
    (void) context, (void) arguments;
    return SMFIS_CONTINUE;
}

static sfsistat on_header(SMFICTX *context, char *name, char *value)
{
    (void) context, (void) name, (void) value;
    return SMFIS_NOREPLY;
}

static sfsistat on_end_of_message(SMFICTX *context)
{
    if (smfi_addheader(context, "List-Unsubscribe", "<" URL ">,\n\t<" MAILTO ">") != MI_SUCCESS
        || smfi_addheader(context, "List-Unsubscribe-Post", "List-Unsubscribe=One-Click") != MI_SUCCESS)
        return SMFIS_TEMPFAIL;
    return SMFIS_CONTINUE;
}

static struct smfiDesc description = {
    .xxfi_name = "floor",
    .xxfi_version = SMFI_VERSION,
    .xxfi_flags = SMFIF_ADDHDRS,
    .xxfi_envfrom = on_mail,
    .xxfi_envrcpt = on_rcpt,
    .xxfi_header = on_header,
    .xxfi_eom = on_end_of_message,
    .xxfi_negotiate = on_negotiate,
};

int main(int argc, char **argv)
{
    char place[512];

    if (argc != 2 || snprintf(place, sizeof place, "unix:%s", argv[1]) >= (int) sizeof place) {
        fprintf(stderr, "usage: floor SOCKET\n");
        return 2;
    }
    umask(0); /* Postfix's user must be able to connect */
    if (smfi_register(description) != MI_SUCCESS || smfi_setconn(place) != MI_SUCCESS
        || smfi_opensocket(1) != MI_SUCCESS) {
        fprintf(stderr, "floor: cannot serve on %s\n", place);
        return 1;
    }
    return smfi_main() == MI_SUCCESS ? 0 : 1;
}
